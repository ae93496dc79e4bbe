"""Reviewers: who turns critical reviews for money."""
