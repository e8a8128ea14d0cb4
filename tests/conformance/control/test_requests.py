"""Raw requests of the control socket: what is JSON, what is a request, and what each member may be.

In a case `Q` and `I` stand for a queue and an id of its own. Each is sent on a connection of its own,
whose sending side is closed then; the answers are all that comes until netd closes. Wanted of an answer
are its status or the code of its error, and where a dict is given those members.
"""

import json
import socket

import netd_process
import pytest

BAD = ["invalid_json"]  # nothing behind it is answered
OK = {"status": "ok"}


def produce(task, *more):
    """A produce of the members `task` and what follows."""
    return '{"type":"produce","task":{' + task + "}}" + "".join(more)


def member(text):
    """A task with a member beside its data."""
    return produce('"id":"I","queue":"Q","data":1,' + text)


def data(text):
    """A task whose data must come back byte for byte, without the spaces between its values."""
    return produce('"id":"I","queue":"Q","data":' + text, '{"type":"consume","queue":"Q"}')


def back(text):
    return ["queued", {"status": "success", "text": '"data":' + text + ',"timestamp":'}]


def leased(*requests):
    """`requests` about a task that this connection has taken under a lease."""
    return "".join([produce('"id":"I","queue":"Q","data":1'),
                    '{"type":"consume","queue":"Q","lease":60,"wait":0}', *requests])


def after_lease(*answers):
    return ["queued", "success", *answers]


JSON = [
    ("an empty object", "{}", ["missing_member"]),
    ("spaces between requests", ' \t\r\n{"type":"version"} \r\n\t{"type":"version"}\n', ["ok", "ok"]),
    ("no space between requests", '{"type":"version"}{"type":"version"}', ["ok", "ok"]),
    ("spaces within", ' { "type" :\t"version"\n, "tag" : [ 1 ,\r\n2 ] } ', [{"tag": [1, 2]}]),
    ("an array", "[1,2]", ["invalid_request"]),
    ("an array, then a request", '[{"type":"version"}]{"type":"version"}', ["invalid_request", "ok"]),
    ("a string", '"version"', ["invalid_request"]),
    ("true, then a request", 'true {"type":"version"}', ["invalid_request", "ok"]),
    ("null", "null", ["invalid_request"]),
    ("rubbish", "hello", BAD),
    ("rubbish behind a request", '{"type":"version"}x{"type":"version"}', ["ok", "invalid_json"]),
    ("nothing", "", []),
    ("spaces alone", " \n\r\t ", []),
    ("an object without end", '{"type":"version"', BAD),
    ("a string without end", '{"type":"vers', BAD),
    ("an array without end", "[[[", BAD),
    ("a comma behind the last member", '{"type":"version",}', BAD),
    ("a comma behind the last element", '{"type":"version","tag":[1,]}', BAD),
    ("two commas", '{"type":"version",,"tag":1}', BAD),
    ("a comma first", '{,"type":"version"}', BAD),
    ("no colon", '{"type" "version"}', BAD),
    ("two colons", '{"type"::"version"}', BAD),
    ("no value", '{"type":}', BAD),
    ("a name without quotes", '{type:"version"}', BAD),
    ("single quotes", "{'type':'version'}", BAD),
    ("a number as a name", '{1:"version"}', BAD),
    ("brackets that do not match", '{"type":"version"]', BAD),
    ("a comment", '{"type":"version"/* x */}', BAD),
    ("a line comment", '// x\n{"type":"version"}', BAD),
    ("a byte order mark", b'\xef\xbb\xbf{"type":"version"}', BAD),
    ("UTF-16", '{"type":"version"}'.encode("utf-16-le"), BAD),
    ("a NUL between requests", b'{"type":"version"}\0{"type":"version"}', ["ok", "invalid_json"]),
    ("a NUL within", b'{"type":"ver\0sion"}', BAD),
    ("a raw line feed in a string", '{"type":"ver\nsion"}', BAD),
    ("a raw tab in a string", '{"type":"version","tag":"a\tb"}', BAD),
    ("DEL in a string", '{"type":"version","tag":"\x7f"}', [{"tag": "\x7f"}]),
    ("an escape that is none", r'{"type":"version","tag":"\x41"}', BAD),
    ("half an escape", r'{"type":"version","tag":"\u12"}', BAD),
    ("an escape with a letter", r'{"type":"version","tag":"\u12g4"}', BAD),
    ("every escape", r'{"type":"version","tag":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"}',
     [{"tag": '"\\/\b\f\n\r\té😀'}]),
    ("an escaped name", r'{"\u0074ype":"version"}', ["ok"]),
    ("an escaped value", r'{"type":"\u0076ersion"}', ["ok"]),
    ("a high surrogate alone", r'{"type":"version","tag":"\uD83D"}', BAD),
    ("a high surrogate and a letter", r'{"type":"version","tag":"\uD83Dx"}', BAD),
    ("a low surrogate alone", r'{"type":"version","tag":"\uDE00"}', BAD),
    ("two high surrogates", r'{"type":"version","tag":"\uD83D\uD83D"}', BAD),
    ("an escaped NUL", r'{"type":"version","tag":"\u0000"}', [{"tag": "\0"}]),
    ("UTF-8 of two, three and four bytes", '{"type":"version","tag":"é€😀"}', [{"tag": "é€😀"}]),
    ("a continuation byte alone", b'{"type":"version","tag":"\x80"}', BAD),
    ("an overlong form", b'{"type":"version","tag":"\xc0\xaf"}', BAD),
    ("an overlong form of three", b'{"type":"version","tag":"\xe0\x80\xaf"}', BAD),
    ("a surrogate in UTF-8", b'{"type":"version","tag":"\xed\xa0\x80"}', BAD),
    ("above U+10FFFF", b'{"type":"version","tag":"\xf4\x90\x80\x80"}', BAD),
    ("UTF-8 that is cut", b'{"type":"version","tag":"\xe2\x82"}', BAD),
    ("Latin-1", b'{"type":"version","tag":"\xe9"}', BAD),
    ("0xff", b'{"type":"version","tag":"\xff"}', BAD),
    ("UTF-8 outside of strings", '{"type":"version"é}', BAD),
    ("512 deep", '{"type":"version","tag":' + "[" * 511 + "]" * 511 + "}", ["ok"]),
    ("513 deep", '{"type":"version","tag":' + "[" * 512 + "]" * 512 + "}", ["too_large"]),
    ("100,000 deep", "[" * 100_000, ["too_large"]),
    ("64 members", '{"type":"version",' + ",".join(f'"m{n}":{n}' for n in range(63)) + "}", ["ok"]),
    ("65 members", '{"type":"version",' + ",".join(f'"m{n}":{n}' for n in range(64)) + "}",
     ["invalid_request"]),
    ("a request of 1 MiB", '{"type":"version","x":"' + "x" * ((1 << 20) - 25) + '"}', ["ok"]),
    ("a request over 1 MiB", '{"type":"version","x":"' + "x" * (1 << 20) + '"}', ["too_large"]),
    ("spaces over 1 MiB between requests", " " * (2 << 20) + '{"type":"version"}', ["ok"]),
    ("a member given twice", '{"type":"version","type":"stats"}', ["invalid_request"]),
    ("one given twice in two spellings", r'{"type":"version","\u0074ype":"stats"}', ["invalid_request"]),
    ("a member given twice in a tag", '{"type":"version","tag":{"a":1,"a":2}}', ["ok"]),
    ("an empty name", '{"type":"version","":1}', ["ok"]),
    ("True", '{"type":"version","tag":True}', BAD),
    ("tru", '{"type":"version","tag":tru}', BAD),
    ("truetrue", '{"type":"version","tag":truetrue}', BAD),
    ("undefined", '{"type":"version","tag":undefined}', BAD),
    ("NaN", '{"type":"version","tag":NaN}', BAD),
    ("Infinity", '{"type":"version","tag":-Infinity}', BAD),
]

NUMBERS = [(f"the number {text}", '{"type":"version","tag":' + text + "}", wanted) for text, wanted in [
    ("0", [{"tag": 0}]), ("-0", [{"text": '"tag":-0}'}]), ("-1", [{"tag": -1}]),
    ("1.0", [{"text": '"tag":1.0}'}]), ("1e0", ["ok"]), ("1E+2", ["ok"]), ("1e-2", ["ok"]),
    ("0.1", ["ok"]), ("0e0", ["ok"]), ("123456789012345678901234567890",
                                       [{"text": '"tag":123456789012345678901234567890}'}]),
    ("0.1234567890123456789", [{"text": '"tag":0.1234567890123456789}'}]),
    ("1e308", ["ok"]), ("1.7e308", ["ok"]), ("17e307", ["ok"]), ("2e308", BAD), ("1e309", BAD), ("-1e309", BAD), ("1e-400", ["ok"]), ("1e999999999999", BAD),
    ("01", BAD), ("-01", BAD), ("00", BAD), ("+1", BAD), (".5", BAD), ("1.", BAD), ("1.e1", BAD),
    ("1e", BAD), ("1e+", BAD), ("-", BAD), ("--1", BAD), ("0x10", BAD), ("1_000", BAD), ("1,5", BAD),
    ("1e1.5", BAD), ("1 2", BAD)]]

TYPES = [
    ("an unknown type", '{"type":"no such"}', ["unknown_type"]),
    ("a type in capitals", '{"type":"Version"}', ["unknown_type"]),
    ("a type with a space behind", '{"type":"version "}', ["unknown_type"]),
    ("an empty type", '{"type":""}', ["unknown_type"]),
    ("a type that is a number", '{"type":1}', ["bad_value"]),
    ("a type that is null", '{"type":null}', ["missing_member"]),
    ("a type that is an array", '{"type":["version"]}', ["bad_value"]),
    ("a huge type", '{"type":"' + "x" * 100_000 + '"}', ["bad_value"]),
    ("no type", '{"tag":7}', [{"code": "missing_member", "tag": 7}]),
    ("a tag of every kind", "".join('{"type":"version","tag":' + tag + "}" for tag in
                                    ["1", '"a"', "null", "true", "[]", '{"a":{}}']),
     [{"tag": tag} for tag in [1, "a", None, True, [], {"a": {}}]]),
    ("a tag of an error", '{"type":"x","tag":"t"}', [{"code": "unknown_type", "tag": "t"}]),
    ("an unknown member", '{"type":"version","colour":"red"}', ["ok"]),
    ("answers in the order of requests", '{"type":"consume","queue":"Q","wait":0.05,"tag":1}'
     '{"type":"version","tag":2}', [{"status": "empty", "tag": 1}, {"status": "ok", "tag": 2}]),
]

PRODUCE = [
    ("no task", '{"type":"produce"}', ["missing_member"]),
    ("a task that is null", '{"type":"produce","task":null}', ["missing_member"]),
    ("a task that is a string", '{"type":"produce","task":"x"}', ["bad_value"]),
    ("a task that is an array", '{"type":"produce","task":[{"data":1}]}', ["bad_value"]),
    ("a task without members", produce(""), ["missing_member"]),
    ("a task without data", produce('"id":"I"'), ["missing_member"]),
    ("members beside the task", '{"type":"produce","id":"I","data":1}', ["missing_member"]),
    ("a task's member given twice", produce('"data":1,"data":2'), ["invalid_request"]),
    ("no id", produce('"data":1,"queue":"Q"'), ["queued"]),
    ("an id that is null", produce('"id":null,"data":1,"queue":"Q"'), ["queued"]),
    ("an empty id", produce('"id":"","data":1'), ["bad_value"]),
    ("an id that is true", produce('"id":true,"data":1'), ["bad_value"]),
    ("an id that is an array", produce('"id":["a"],"data":1'), ["bad_value"]),
    ("an id that is an object", produce('"id":{},"data":1'), ["bad_value"]),
    ("an id of 510 bytes", produce('"id":"' + "i" * 510 + '","data":1,"queue":"Q"'), ["queued"]),
    ("an id of 511 bytes", produce('"id":"' + "j" * 511 + '","data":1'), ["invalid_task"]),
    ("an id with an escaped NUL", produce(r'"id":"I\u0000","data":1,"queue":"Q"'),
     [{"status": "queued", "text": r'\u0000"'}]),
    ("an id in two spellings", produce(r'"id":"\u0049","queue":"Q","data":1',
                                       produce(r'"id":"\u0049","queue":"Q","data":1')),
     ["queued", {"duplicate": True}]),
    ("a number and its spellings", "".join(produce('"queue":"Q","data":1,"id":' + one) for one in
                                           ["77123", "77123.0", "7.7123e4", '"77123"']),
     [{"task_id": 77123}, {"duplicate": True}, {"duplicate": True}, {"task_id": "77123"}]),
    ("the id -0", produce('"id":-0,"queue":"Q","data":1', produce('"id":0,"queue":"Q","data":1')),
     [{"task_id": 0}, {"duplicate": True}]),
    ("a large number as an id", produce('"id":123456789012345678901234567890,"queue":"Q","data":1'),
     [{"text": '"task_id":123456789012345678901234567890}'}]),
    ("the same id and data", produce('"id":"I","queue":"Q","data":[1]') * 2,
     [{"status": "queued"}, {"status": "queued", "duplicate": True}]),
    ("the same id, spaces in the data", produce('"id":"I","queue":"Q","data":[1,2]',
                                                produce('"id":"I","queue":"Q","data":[ 1 , 2 ]')),
     ["queued", {"duplicate": True}]),
    ("the same id and other data", produce('"id":"I","queue":"Q","data":1',
                                           produce('"id":"I","queue":"Q","data":2')),
     ["queued", "conflict"]),
    ("the same id in another queue", produce('"id":"I","queue":"Q","data":1',
                                             produce('"id":"I","queue":"Q2","data":1')),
     ["queued", {"duplicate": True}]),
    ("a queue that is a number", member('"priority":0').replace('"Q"', "1"), ["bad_value"]),
    ("an empty queue", produce('"data":1,"queue":""'), ["invalid_task"]),
    ("a queue of 128 bytes", produce('"data":1,"queue":"' + "q" * 128 + '"'), ["queued"]),
    ("a queue of 129 bytes", produce('"data":1,"queue":"' + "q" * 129 + '"'), ["bad_value"]),
    ("a queue that is null", produce('"id":"I","data":1,"queue":null',
                                     '{"type":"delete","id":"I"}'), ["queued", "ok"]),
    ("priorities at their limits", produce('"data":1,"queue":"Q","priority":2147483647',
                                           produce('"data":1,"queue":"Q","priority":-2147483648')),
     ["queued", "queued"]),
    ("a priority too high", member('"priority":2147483648'), ["bad_value"]),
    ("a priority too low", member('"priority":-2147483649'), ["bad_value"]),
    ("a priority of no end", member('"priority":99999999999999999999999'), ["bad_value"]),
    ("a priority of 1.5", member('"priority":1.5'), ["bad_value"]),
    ("a priority that is text", member('"priority":"1"'), ["bad_value"]),
    ("a priority that is true", member('"priority":true'), ["bad_value"]),
    ("a priority that is null", member('"priority":null'), ["queued"]),
    ("a delay of 0", member('"delay":0'), ["queued"]),
    ("a delay of -0", member('"delay":-0'), ["queued"]),
    ("a delay of -1", member('"delay":-1'), ["bad_value"]),
    ("a delay of -1e-9", member('"delay":-1e-9'), ["bad_value"]),
    ("a delay of ten years", member('"delay":315360000'), ["queued"]),
    ("a longer delay", member('"delay":315360001'), ["bad_value"]),
    ("a delay of 1e308", member('"delay":1e308'), ["bad_value"]),
    ("a delay that is text", member('"delay":"5"'), ["bad_value"]),
    ("a delay in an array", member('"delay":[5]'), ["bad_value"]),
    ("a ttl of -1", member('"ttl":-1'), ["bad_value"]),
    ("a ttl of 0.0000001", member('"ttl":0.0000001'), ["queued"]),
    ("a ttl that is an object", member('"ttl":{}'), ["bad_value"]),
    ("max_attempts of 0", member('"max_attempts":0'), ["queued"]),
    ("max_attempts at its limit", member('"max_attempts":4294967295'), ["queued"]),
    ("max_attempts beyond it", member('"max_attempts":4294967296'), ["bad_value"]),
    ("max_attempts of -1", member('"max_attempts":-1'), ["bad_value"]),
    ("max_attempts of 2.5", member('"max_attempts":2.5'), ["bad_value"]),
    ("an unknown member", member('"colour":"red"'), ["queued"]),
    ("a refused task leaves its id free", member('"delay":-1') + produce('"id":"I","queue":"Q","data":2'),
     ["bad_value", {"status": "queued", "duplicate": None}]),
]

DATA = [(f"data {text[:40]}", data(text), back(text)) for text in [
    "null", "true", "false", "0", "-0", "1.50", "1e2", "1E+2", '""', '"x"', "[]", "{}",
    r'"\u00e9\ud83d\ude00"', '"é😀"', r'"\u0000"', '{"a":1,"a":2}', '[null,[[]],{"":""}]',
    "123456789012345678901234567890", "0.1234567890123456789012345", '"' + "x" * 100_000 + '"',
    "[" * 500 + "]" * 500]] + [
    ("data with spaces", data(' [ 1 , { "a" : " b " } ] '), back('[1,{"a":" b "}]')),
]

CONSUME = [
    ("a queue that nobody made", '{"type":"consume","queue":"Q","wait":0}', ["empty"]),
    ("a wait of 0.05", '{"type":"consume","queue":"Q","wait":0.05}', ["empty"]),
    ("a wait of -1", '{"type":"consume","queue":"Q","wait":-1}', ["bad_value"]),
    ("a wait that is text", '{"type":"consume","queue":"Q","wait":"1"}', ["bad_value"]),
    ("a wait of 1e300", '{"type":"consume","queue":"Q","wait":1e300}', ["bad_value"]),
    ("a lease of 0", '{"type":"consume","queue":"Q","wait":0,"lease":0}', ["bad_value"]),
    ("a lease of -0", '{"type":"consume","queue":"Q","wait":0,"lease":-0}', ["bad_value"]),
    ("a lease of -5", '{"type":"consume","queue":"Q","wait":0,"lease":-5}', ["bad_value"]),
    ("a lease beyond ten years", '{"type":"consume","queue":"Q","wait":0,"lease":1e9}', ["bad_value"]),
    ("a lease that is null", '{"type":"consume","queue":"Q","wait":0,"lease":null}', ["empty"]),
    ("bind without a lease", '{"type":"consume","queue":"Q","wait":0,"bind":true}', ["missing_member"]),
    ("bind that is 1", '{"type":"consume","queue":"Q","wait":0,"lease":1,"bind":1}', ["bad_value"]),
    ("bind that is false", '{"type":"consume","queue":"Q","wait":0,"bind":false}', ["empty"]),
    ("a queue that is an array", '{"type":"consume","queue":["Q"],"wait":0}', ["bad_value"]),
    ("an empty queue", '{"type":"consume","queue":"","wait":0}', ["invalid_task"]),
    ("a queue of 129 bytes", '{"type":"consume","queue":"' + "q" * 129 + '"}', ["bad_value"]),
    ("order: priority, then age",
     "".join(produce(f'"id":"I-{n}","queue":"Q","data":{n},"priority":{p}')
             for n, p in enumerate([0, 5, 0, 5, -1]))
     + '{"type":"consume","queue":"Q","wait":0}' * 6,
     ["queued"] * 5 + [{"data": n} for n in [1, 3, 0, 2, 4]] + ["empty"]),
    ("attempts count", leased('{"type":"fail","id":"I","delay":0}',
                              '{"type":"consume","queue":"Q","lease":60}'),
     ["queued", {"attempt": 1}, "ok", {"attempt": 2}]),
    ("a delayed task waits", member('"delay":60') + '{"type":"consume","queue":"Q","wait":0}',
     ["queued", "empty"]),
    ("a queue of another name", produce('"queue":"Q","data":1')
     + '{"type":"consume","queue":"Q2","wait":0}', ["queued", "empty"]),
]

CHANGES = [
    ("done", leased('{"type":"done","id":"I"}'), after_lease({"status": "ok", "task_id": "I"})),
    ("done twice", leased('{"type":"done","id":"I"}' * 2), after_lease("ok", "not_found")),
    ("done without an id", '{"type":"done"}', ["missing_member"]),
    ("done with an id of null", '{"type":"done","id":null}', ["missing_member"]),
    ("done with an id of true", '{"type":"done","id":true}', ["bad_value"]),
    ("done of nobody", '{"type":"done","id":"I"}', ["not_found"]),
    ("done of one not leased", produce('"id":"I","queue":"Q","data":1') + '{"type":"done","id":"I"}',
     ["queued", "not_leased"]),
    ("done of an attempt", leased('{"type":"done","id":"I","attempt":1}'), after_lease("ok")),
    ("done of another attempt", leased('{"type":"done","id":"I","attempt":2}'), after_lease("not_leased")),
    ("done of attempt 0", leased('{"type":"done","id":"I","attempt":0}'), after_lease("bad_value")),
    ("done of attempt 1.0", leased('{"type":"done","id":"I","attempt":1.0}'), after_lease("ok")),
    ("done of attempt \"1\"", leased('{"type":"done","id":"I","attempt":"1"}'), after_lease("bad_value")),
    ("done with a result", leased('{"type":"done","id":"I","result":{"a":[1]}}',
                                  '{"type":"result","id":"I"}'),
     after_lease("ok", {"status": "ok", "result": {"a": [1]}})),
    ("done with the result null", leased('{"type":"done","id":"I","result":null}',
                                         '{"type":"result","id":"I"}'),
     after_lease("ok", {"status": "ok", "result": None})),
    ("the result of nobody", '{"type":"result","id":"I","wait":0}', ["not_found"]),
    ("the result of one that waits", member('"delay":60') + '{"type":"result","id":"I","wait":0.02}',
     ["queued", "empty"]),
    ("the result of a dead one", produce('"id":"I","queue":"Q","data":1,"max_attempts":1')
     + '{"type":"consume","queue":"Q","lease":60}{"type":"fail","id":"I"}{"type":"result","id":"I"}',
     after_lease("ok", "dead")),
    ("fail", leased('{"type":"fail","id":"I"}', '{"type":"peek","id":"I"}'),
     after_lease("ok", {"state": "delayed", "attempt": 1})),
    ("fail without a delay", leased('{"type":"fail","id":"I","delay":0}', '{"type":"peek","id":"I"}'),
     after_lease("ok", {"state": "ready", "attempt": 1})),
    ("fail with a delay of -1", leased('{"type":"fail","id":"I","delay":-1}'), after_lease("bad_value")),
    ("the last attempt fails", produce('"id":"I","queue":"Q","data":1,"max_attempts":1')
     + '{"type":"consume","queue":"Q","lease":60}{"type":"fail","id":"I"}{"type":"peek","id":"I"}',
     after_lease("ok", {"state": "dead"})),
    ("give_back", leased('{"type":"give_back","id":"I"}', '{"type":"peek","id":"I"}'),
     after_lease("ok", {"state": "ready", "attempt": 0})),
    ("touch", leased('{"type":"touch","id":"I","lease":99}', '{"type":"peek","id":"I"}'),
     after_lease("ok", {"state": "leased"})),
    ("touch with a lease of 0", leased('{"type":"touch","id":"I","lease":0}'), after_lease("bad_value")),
    ("touch of one not leased", produce('"id":"I","queue":"Q","data":1') + '{"type":"touch","id":"I"}',
     ["queued", "not_leased"]),
    ("kick of nothing", '{"type":"kick"}', ["missing_member"]),
    ("kick of nobody", '{"type":"kick","id":"I"}', ["not_found"]),
    ("kick of a queue that nobody made", '{"type":"kick","queue":"Q"}', [{"status": "ok", "kicked": 0}]),
    ("kick of a delayed one", member('"delay":60') + '{"type":"kick","id":"I"}{"type":"peek","id":"I"}',
     ["queued", "ok", {"state": "ready"}]),
    ("kick of a leased one", leased('{"type":"kick","id":"I"}'), after_lease("leased")),
    ("kick with a limit of 0", '{"type":"kick","queue":"Q","limit":0}', ["bad_value"]),
    ("kick of a dead one", produce('"id":"I","queue":"Q","data":1,"max_attempts":1')
     + '{"type":"consume","queue":"Q","lease":60}{"type":"fail","id":"I"}{"type":"kick","queue":"Q"}'
     '{"type":"peek","id":"I"}', after_lease("ok", {"kicked": 1}, {"state": "ready", "attempt": 0})),
    ("delete", produce('"id":"I","queue":"Q","data":1') + '{"type":"delete","id":"I"}' * 2,
     ["queued", "ok", "not_found"]),
    ("delete of a leased one", leased('{"type":"delete","id":"I"}{"type":"done","id":"I"}'),
     after_lease("ok", "not_found")),
    ("peek of nobody", '{"type":"peek","id":"I"}', ["not_found"]),
    ("peek of a queue", produce('"id":"I","queue":"Q","data":7') + '{"type":"peek","queue":"Q"}',
     ["queued", {"id": "I", "data": 7}]),
    ("peek of an empty queue", '{"type":"peek","queue":"Q"}', ["not_found"]),
    ("peek does not take", produce('"id":"I","queue":"Q","data":7')
     + '{"type":"peek","id":"I"}{"type":"consume","queue":"Q"}', ["queued", "ok", "success"]),
    ("pause and resume", produce('"id":"I","queue":"Q","data":7')
     + '{"type":"pause","queue":"Q"}{"type":"consume","queue":"Q","wait":0}'
     '{"type":"resume","queue":"Q"}{"type":"consume","queue":"Q","wait":0}',
     ["queued", "ok", "empty", "ok", "success"]),
    ("pause without a queue", '{"type":"pause"}', ["missing_member"]),
    ("pause of an empty name", '{"type":"pause","queue":""}', ["invalid_task"]),
    ("pause of a number", '{"type":"pause","queue":3}', ["bad_value"]),
]

LISTS = [
    ("tasks of nothing", '{"type":"tasks","queue":"Q"}', [{"tasks": []}]),
    ("tasks", "".join(produce(f'"id":"I-{n}","queue":"Q","data":{n}') for n in range(3))
     + '{"type":"tasks","queue":"Q"}', ["queued"] * 3 + [{"ids": ["I-0", "I-1", "I-2"]}]),
    ("tasks by pages", "".join(produce(f'"id":"I-{n}","queue":"Q","data":{n}') for n in range(3))
     + '{"type":"tasks","queue":"Q","limit":2}', ["queued"] * 3 + [{"ids": ["I-0", "I-1"]}]),
    ("tasks of a state", member('"delay":60') + '{"type":"tasks","queue":"Q","state":"ready"}'
     '{"type":"tasks","queue":"Q","state":"delayed"}', ["queued", {"ids": []}, {"ids": ["I"]}]),
    ("tasks of no state", '{"type":"tasks","state":"happy"}', ["bad_value"]),
    ("tasks of a state that is a number", '{"type":"tasks","state":1}', ["bad_value"]),
    ("tasks with a limit of 0", '{"type":"tasks","limit":0}', ["bad_value"]),
    ("tasks with a limit of 1001", '{"type":"tasks","limit":1001}', ["bad_value"]),
    ("tasks after -1", '{"type":"tasks","after":-1}', ["bad_value"]),
    ("tasks after the end", '{"type":"tasks","queue":"Q","after":9223372036854775807}', [{"tasks": []}]),
    ("tasks after more", '{"type":"tasks","after":9223372036854775808}', ["bad_value"]),
    ("tasks of an empty queue name", '{"type":"tasks","queue":""}', ["invalid_task"]),
    ("task_stats", '{"type":"task_stats"}', ["ok"]),
    ("subscribe to a number", '{"type":"subscribe","events":[1]}', ["bad_value"]),
    ("subscribe to too many kinds", '{"type":"subscribe","events":[' + ",".join(['"a"'] * 1000) + "]}",
     ["bad_value"]),
    ("subscribe to a kind that there is not", '{"type":"subscribe","events":["task","tusk"]}',
     ["bad_value"]),
    ("subscribe to an empty kind", '{"type":"subscribe","events":[""]}', ["bad_value"]),
    ("subscribe to a string", '{"type":"subscribe","events":"task"}', ["bad_value"]),
]

CASES = JSON + NUMBERS + TYPES + PRODUCE + DATA + CONSUME + CHANGES + LISTS


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    one = netd_process.Netd(tmp_path_factory.mktemp("control") / "netd", "[tasks]\npath = {dir}/tasks\nsync = off\n")
    one.start()
    yield one
    one.finish()


def exchange(daemon, request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(netd_process.DEADLINE)
        connection.connect(str(daemon.control_path))
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, OSError):
            pass  # it has been refused before its end
        answers = b""
        try:
            while more := connection.recv(1 << 16):
                answers += more
        except ConnectionResetError:
            pass
    assert answers == b"" or answers.endswith(b"\n")
    return answers.decode().splitlines()


def holds(text, wanted):
    answer = json.loads(text)
    if isinstance(wanted, str):
        return wanted in (answer["code"] if answer["status"] == "error" else answer["status"],)
    everything = {**answer, **answer.get("task", {}), "text": text,
                  "ids": [task["id"] for task in answer.get("tasks", [])]}
    return all(value in text if name == "text" else everything.get(name) == value
               for name, value in wanted.items())


@pytest.mark.parametrize("number,request_text,wanted",
                         [pytest.param(n, case[1], case[2], id=case[0]) for n, case in enumerate(CASES)])
def test_request(daemon, number, request_text, wanted):
    if isinstance(request_text, str):
        own = {'"Q': f'"q{number}', '"I': f'"i{number}'}
        for short, long in own.items():
            request_text = request_text.replace(short, long)
        request_text = request_text.encode()
        wanted = json.loads(json.dumps(wanted).replace('"I', f'"i{number}'))
    answers = exchange(daemon, request_text)
    assert len(answers) == len(wanted), answers
    for answer, one in zip(answers, wanted, strict=True):
        assert holds(answer, one), (answer, one)
