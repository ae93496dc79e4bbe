"""Volteface: finds sellers whose critical reviews turn round more often than their peers' can explain."""

from typing import Final

#: Version of the detection model; an alert carries it, so that its numbers can be reproduced.
MODEL_VERSION: Final = "1"
