"""The scripts of a Redis log, run by Redis as a whole: a step of ``LogStore`` is one of them.

Two keys for each stream, in one slot: ``sk:{name}:m``, a hash with the record of ``rules.py``, and
``sk:{name}:s``, a stream whose entry ``<seq>-0`` has the event in its field ``d``. What is added is
published to the channel ``sk:{name}:c`` as ``<generation> <first seq>`` and a line for each event;
an empty message says that something else has changed. ``sk:cancel`` carries the names of streams
whose run is asked to stop. ``sk:{name}:r`` is a sorted set of
a stream's readers by the end of their lease, ``sk:u:<SHA-256>`` one of a user's streams by the time
they were made. Redis' own clock is everybody's.
The keys live a little longer than the
stream, whose field ``expires`` is what counts, so that an append need not set that time anew.
"""

from __future__ import annotations

import hashlib
from typing import Final

CANCEL_CHANNEL: Final = "sk:cancel"

APPEND: Final = r"""
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function append(meta, entries, owner, first, ending, given, before)
  local last = first + given - 1
  local r = redis.call('HMGET', meta, 'owner', 'state', 'top', 'expires', 'cancel', 'generation',
                       'lease_ms', 'ttl_ms', 'kept')
  if not r[1] or tonumber(r[4]) <= now then return {'gone', 0, ''} end
  local top, cancel = tonumber(r[3]), r[5]
  if r[1] ~= owner then return {'fenced', top, cancel} end
  if r[2] ~= 'running' then
    return {(ending ~= '' and last <= top) and 'ok' or 'fenced', top, cancel}
  end
  if first > top + 1 then return {'behind', top, cancel} end
  local fresh = {}
  for seq = math.max(first, top + 1), last do
    local data = ARGV[before + 1 + seq - first]
    redis.call('XADD', entries, seq .. '-0', 'd', data)
    fresh[#fresh + 1] = data
  end
  local newest, ttl, kept = math.max(top, last), tonumber(r[8]), tonumber(r[9])
  local lease_until = now + tonumber(r[7])
  local expires = lease_until + ttl
  if ending ~= '' then expires = now + ttl end
  if ending ~= '' or kept < expires then
    kept = expires + math.floor(ttl / 10) + 1
    redis.call('HSET', meta, 'state', ending == '' and 'running' or ending, 'top', newest,
               'lease_until', lease_until, 'expires', expires, 'kept', kept)
    redis.call('PEXPIRE', meta, kept - now)
    redis.call('PEXPIRE', entries, kept - now)
  else
    redis.call('HSET', meta, 'top', newest, 'lease_until', lease_until, 'expires', expires)
    if top == 0 and newest > 0 then redis.call('PEXPIRE', entries, kept - now) end
  end
  local channel = string.sub(meta, 1, -2) .. 'c'
  if #fresh > 0 then
    redis.call('PUBLISH', channel, r[6] .. ' ' .. top + 1 .. '\n' .. table.concat(fresh, '\n'))
  end
  if ending ~= '' then redis.call('PUBLISH', channel, '') end
  return {'ok', newest, cancel}
end

local answers, at = {}, 2
for key = 1, #KEYS, 2 do
  local given = tonumber(ARGV[at + 3])
  answers[#answers + 1] = append(KEYS[key], KEYS[key + 1], ARGV[at], tonumber(ARGV[at + 1]),
                                 ARGV[at + 2], given, at + 3)
  at = at + 4 + given
end
return answers
"""
"""For several streams: two keys each; the time, or ''; then for each its owner, the number of its
first entry, the state that ends the run, or '', how many entries there are, and these."""

STEP: Final = r"""
local meta, entries = KEYS[1], KEYS[2]
local op, channel = ARGV[3], ARGV[2]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local names = {'generation', 'state', 'top', 'run_id', 'start', 'owner', 'lease_ms',
               'lease_until', 'lasting', 'cancel', 'ttl_ms', 'expires', 'kept', 'user', 'thread_id'}
local r = nil
local function load()
  local found = redis.call('HMGET', meta, unpack(names))
  if not found[1] or tonumber(found[12]) <= now then return end
  r = {}
  for i, name in ipairs(names) do r[name] = found[i] end
  for _, name in ipairs({'top', 'start', 'lease_ms', 'lease_until', 'ttl_ms', 'expires'}) do
    r[name] = tonumber(r[name])
  end
end
local function save()
  r.kept = r.expires + math.floor(r.ttl_ms / 10) + 1
  local flat = {}
  for _, name in ipairs(names) do
    local value = r[name]
    if type(value) == 'number' then value = string.format('%.0f', value) end
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', meta, unpack(flat))
  local left = string.format('%.0f', math.max(1, r.kept - now))
  redis.call('PEXPIRE', meta, left)
  redis.call('PEXPIRE', entries, left)
end
local function renew()
  r.lease_until = now + r.lease_ms
  r.expires = r.lease_until + r.ttl_ms
end
local function answer(status)
  if not r then return {'gone'} end
  local first = redis.call('XRANGE', entries, '-', '+', 'COUNT', 1)
  local oldest = r.top + 1
  if first[1] then oldest = tonumber(string.match(first[1][1], '^%d+')) end
  local left = 0
  if r.state == 'running' then left = math.max(0, r.lease_until - now) end
  return {status, r.generation, r.state, r.top, oldest, r.run_id, r.start, r.lasting, left,
          r.cancel, r.user, r.thread_id}
end
local function changed() redis.call('PUBLISH', channel, '') end

load()

if op == 'info' then return answer('ok') end

if op == 'claim' then
  local owner = ARGV[4]
  if not r then
    redis.call('DEL', meta, entries)
    r = {generation = ARGV[6], state = 'idle', top = 0, user = ARGV[11], thread_id = ARGV[12]}
  elseif r.user ~= ARGV[11] then
    return answer('foreign')
  elseif r.owner == owner and r.state == 'running' then
    return answer('ok')
  elseif r.state == 'finished' then
    return answer('finished')
  elseif r.state == 'running' then
    return answer(r.lease_until > now and 'held' or 'lapsed')
  end
  r.state, r.owner, r.run_id, r.start = 'running', owner, ARGV[5], r.top + 1
  r.lasting, r.cancel = ARGV[7], ''
  r.lease_ms, r.ttl_ms = tonumber(ARGV[8]), tonumber(ARGV[9])
  local oldest = r.top + 1 - tonumber(ARGV[10])
  if oldest > 1 then
    redis.call('XTRIM', entries, 'MINID', '=', string.format('%.0f-0', oldest))
  end
  renew()
  save()
  redis.call('ZADD', KEYS[3], 'NX', string.format('%.0f', now), ARGV[13])
  redis.call('PEXPIRE', KEYS[3], 604800000)  -- a week after the user's last run
  for _, name in ipairs(redis.call('ZRANGE', KEYS[3], 0, 9)) do
    if redis.call('EXISTS', 'sk:{' .. name .. '}:m') == 0 then
      redis.call('ZREM', KEYS[3], name)
    end
  end
  changed()
  return answer('ok')
end

if not r then return {'gone'} end

if op == 'take_over' then
  if r.state ~= 'running' then return answer('finished') end
  if r.owner ~= ARGV[4] then
    if r.lease_until > now then return answer('held') end
    r.owner, r.lease_ms = ARGV[4], tonumber(ARGV[5])
    renew()
    save()
  end
  return answer('ok')
end

if op == 'cancel' then
  if r.state ~= 'running' then return answer('finished') end
  if r.cancel == '' then r.cancel = ARGV[4] end
  save()
  redis.call('PUBLISH', ARGV[5], ARGV[6])
  return answer('ok')
end

if op == 'expire' then
  r.expires = now + tonumber(ARGV[4])
  if r.expires <= now then redis.call('DEL', meta, entries) else save() end
  changed()
  return answer('ok')
end

return redis.error_reply('no such step: ' .. op)
"""

ATTEND: Final = r"""
local now, reader, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if lease > 0 then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), reader)
  redis.call('PEXPIRE', KEYS[1], 2 * lease)
else
  redis.call('ZREM', KEYS[1], reader)
end
return redis.call('ZCARD', KEYS[1])
"""

OF_USER: Final = r"""
local now, there = tonumber(ARGV[1]), {}
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local expires = redis.call('HGET', 'sk:{' .. name .. '}:m', 'expires')
  if expires and tonumber(expires) > now then
    there[#there + 1] = name
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return there
"""


def digest(script: str) -> str:
    """Return how Redis calls a script that it has been told."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
