"""One package a chapter, named by the chapter's slug, and what every experiment is made of (``base``, ``looks``)."""
