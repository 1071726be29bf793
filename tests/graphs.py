"""What the tests of graphs share: a few articles in the inline markup."""

from __future__ import annotations

from train.corpora import inline
from train.document import Document
from train.schema import Schema

ARTICLES = """## a | 2024-01-05 | diplomacy | ঢাকায় বৈঠক
= cn GPE চীন
= in GPE ভারত
= pm POST প্রধানমন্ত্রী
= karim PER রহিম
= anwar PER আনোয়ার হোসেন
= tue DATE মঙ্গলবার

{চীনের|cn} সঙ্গে বৈঠক করেছে {ভারত|in}।
- in meets cn
{ভারতের|in} {প্রধানমন্ত্রী|pm} {রহিম|karim} {মঙ্গলবার|tue} এ কথা জানান।
- pm post_in in
- karim holds_post pm
{আনোয়ার হোসেন|anwar} {চীনের|cn} নিন্দা করেন।
- anwar criticizes cn

## b | 2023-06-01 | diplomacy | দিল্লিতে ফেরা
= cn GPE চীন
= in GPE ভারত
= pm POST প্রধানমন্ত্রী
= karim PER রহিম
= anwar PER আনোয়ার হোসেন
= tue DATE মঙ্গলবার

{মঙ্গলবার|tue} {চীন|cn} {ভারতের|in} সঙ্গে বৈঠক করেনি।
- cn meets in negated
{প্রধানমন্ত্রী|pm} {রহিম|karim} {ভারতে|in} ফেরেন, সঙ্গে {আনোয়ার হোসেন|anwar}।
- pm post_in in
- karim holds_post pm

## c | 2024-02-01 | parties | অন্য এক রহিম
= np GPE নেপাল
= pm POST প্রধানমন্ত্রী
= karim PER রহিম

{নেপালের|np} {প্রধানমন্ত্রী|pm} {রহিম|karim}।
- pm post_in np
- karim holds_post pm
"""


def articles(schema: Schema, text: str = ARTICLES) -> list[Document]:
    return inline.parse(text, schema)
