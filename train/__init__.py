"""rajniti: joint tagging of entities, relations, statuses and identities in Bangla political news."""

__version__ = "0.1.0"
