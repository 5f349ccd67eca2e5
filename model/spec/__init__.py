"""The two documents a user writes: Application and Fleet (pydantic; import only inside commands)."""
