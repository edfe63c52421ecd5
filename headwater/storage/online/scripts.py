"""What must happen in Redis in one step, as Lua (Redis 6.2; each script touches one key, so it works on a cluster).

Belongs here: the scripts and the layout of the values that they compare. Does not belong here: calling them.

A profile is a JSON object whose first member is always `"version"` with 16 digits (microseconds since 1970), so that
a script compares versions by a short substring, as text, without parsing the value or losing precision.
"""

from __future__ import annotations

VERSION_DIGITS = 16
_FIRST, _LAST = len('{"version":'), len('{"version":') + VERSION_DIGITS - 1

# KEYS[1] key; ARGV[1] version; ARGV[2] value. Answers 1 when written, 0 when what is there is newer.
PUT_IF_NOT_OLDER = f"""
local there = redis.call('GETRANGE', KEYS[1], {_FIRST}, {_LAST})
if there ~= '' and there > ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

# KEYS[1] key; ARGV[1] version. Answers 1 when removed, 0 when absent or newer.
REMOVE_IF_NOT_NEWER = f"""
local there = redis.call('GETRANGE', KEYS[1], {_FIRST}, {_LAST})
if there == '' or there > ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

# KEYS[1] index key; ARGV[1] the customer it must still name. Answers 1 when removed.
REMOVE_IF_EQUAL = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

# KEYS[1] session key; ARGV[1] position in the log, fixed width; ARGV[2] the new value; ARGV[3] seconds to live.
# A session is a hash of `position` and `value`. A replayed event (position not after the stored one) changes nothing.
PUT_SESSION = """
local there = redis.call('HGET', KEYS[1], 'position')
if there and there >= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'position', ARGV[1], 'value', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
