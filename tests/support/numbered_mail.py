"""Mail that can be told apart, for tests of what a crash leaves."""

import collections
import random
import re
import threading

from smtp_dialogue import Client


class Sender(threading.Thread):
    """Sends numbered messages, small and large, to one and to several, until it is cut off."""

    def __init__(self, address, name):
        super().__init__(daemon=True)
        self.address = address
        self.name = name
        self.acknowledged = []
        self.sent = 0
        self.random = random.Random(name)

    def run(self):
        try:
            with Client(self.address) as client:
                client.expect("EHLO x", "250")
                while True:
                    self.send_one(client)
        except (OSError, AssertionError):
            pass  # netd was killed

    def send_one(self, client):
        self.sent += 1
        key = f"{self.name}-{self.sent}"
        users = self.random.choice([["one"], ["one", "two"]])
        lines = self.random.choice([1, 10, 4000])
        text = f"Key: {key}\r\nUsers: {len(users)}\r\n\r\n" + "0123456789 and so on\r\n" * lines + f"end of {key}"
        client.expect("MAIL FROM:<a@example.com>", "250")
        for user in users:
            client.expect(f"RCPT TO:<{user}@example.org>", "250")
        if client.message(text.encode()).startswith(b"250 2.0.0 Ok: delivered"):
            self.acknowledged.append((key, users))


def keys_in(mails):
    """The keys in the texts of a mailbox, and how often each is there; fails where one is not whole."""
    keys = []
    for mail in mails:
        key = re.search(rb"\r\nKey: (\S+)\r\n", mail).group(1)
        assert mail.endswith(b"end of " + key + b"\r\n"), "half a message is in new/"
        keys.append(key.decode())
    return collections.Counter(keys)
