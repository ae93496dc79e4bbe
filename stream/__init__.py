"""Volteface: finds sellers, insiders and brokers behind critical reviews that turn too often."""

from typing import Final

#: Version of the detection model. Every alert has it, so that its numbers can be reproduced.
MODEL_VERSION: Final = "1"
