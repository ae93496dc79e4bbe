"""Volteface: finds the sellers and staff behind critical reviews that are upgraded or deleted for money."""

from typing import Final

#: Version of the detection model. Every alert has it, so that its numbers can be reproduced.
MODEL_VERSION: Final = "1"
