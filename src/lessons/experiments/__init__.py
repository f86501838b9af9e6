"""One module a chapter, named by the chapter's slug: its experiments."""
