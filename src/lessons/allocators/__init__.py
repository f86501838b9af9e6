"""Who gets which memory: the buddy system, reservations, paging, and the requests that ask for it."""
