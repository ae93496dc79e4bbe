"""Volteface: finds the sellers, staff and brokers behind critical reviews that are upgraded or deleted for money."""

from typing import Final

#: Version of the detection model. Every alert has it, so that its numbers can be reproduced.
MODEL_VERSION: Final = "1"
