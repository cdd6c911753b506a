"""What a browser asked the network for, and what it complained of."""

import json

from selenium.webdriver import Chrome

__all__ = ["logs"]


def logs(chrome: Chrome) -> tuple[list[str], list[str]]:
    """Addresses that were asked for, and complaints, since the last call."""
    messages = [json.loads(line["message"])["message"] for line in chrome.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return asked, [line["message"] for line in chrome.get_log("browser")]
