"""The one script of a Redis log: each step of ``LogStore``, run by Redis as a whole.

Two keys for each stream, in one slot: ``sk:{name}:m``, a hash with the record of ``rules.py``, and
``sk:{name}:s``, a stream whose entry ``<seq>-0`` has the event in its field ``d``. What is added is
published to the channel ``sk:{name}:c`` as ``<generation> <first seq>`` and a line for each event;
an empty message says that something else has changed. ``sk:cancel`` carries the names of streams
whose run is asked to stop. Redis' own clock is everybody's.
"""

from __future__ import annotations

import hashlib
from typing import Final

CANCEL_CHANNEL: Final = "sk:cancel"

SCRIPT: Final = r"""
local meta, entries = KEYS[1], KEYS[2]
local op, channel = ARGV[1], ARGV[3]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local names = {'generation', 'state', 'top', 'run_id', 'start', 'owner', 'lease_ms',
               'lease_until', 'lasting', 'cancel', 'ttl_ms', 'expires'}
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
  local flat = {}
  for _, name in ipairs(names) do
    local value = r[name]
    if type(value) == 'number' then value = string.format('%.0f', value) end
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', meta, unpack(flat))
  local left = string.format('%.0f', math.max(1, r.expires - now))
  redis.call('PEXPIRE', meta, left)
  redis.call('PEXPIRE', entries, left)
end
local function renew()
  r.lease_until = now + r.lease_ms
  r.expires = r.lease_until + r.ttl_ms
end
local function answer(status, page)
  if not r then return {'gone'} end
  local first = redis.call('XRANGE', entries, '-', '+', 'COUNT', 1)
  local oldest = r.top + 1
  if first[1] then oldest = tonumber(string.match(first[1][1], '^%d+')) end
  local left = 0
  if r.state == 'running' then left = math.max(0, r.lease_until - now) end
  return {status, r.generation, r.state, r.top, oldest, r.run_id, r.start, r.lasting, left,
          r.cancel, page or {}}
end
local function changed() redis.call('PUBLISH', channel, '') end

load()

if op == 'read' then
  if not r then return {'gone'} end
  local limit = tonumber(ARGV[5])
  if limit == 0 then return answer('ok') end
  local from = string.format('%.0f-0', tonumber(ARGV[4]) + 1)
  return answer('ok', redis.call('XRANGE', entries, from, '+', 'COUNT', limit))
end

if op == 'claim' then
  local owner = ARGV[4]
  if not r then
    redis.call('DEL', meta, entries)
    r = {generation = ARGV[6], state = 'idle', top = 0}
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
  changed()
  return answer('ok')
end

if not r then return {'gone'} end

if op == 'append' then
  local owner, first, ending, given = ARGV[4], tonumber(ARGV[5]), ARGV[6], #ARGV - 6
  local last = first + given - 1
  if r.owner ~= owner then return answer('fenced') end
  if r.state ~= 'running' then
    return answer((ending ~= '' and last <= r.top) and 'ok' or 'fenced')
  end
  if first > r.top + 1 then return answer('behind') end
  local fresh = {}
  for seq = math.max(first, r.top + 1), last do
    local data = ARGV[7 + seq - first]
    redis.call('XADD', entries, string.format('%.0f-0', seq), 'd', data)
    fresh[#fresh + 1] = data
  end
  renew()
  if ending ~= '' then
    r.state = ending
    r.expires = now + r.ttl_ms
  end
  if #fresh > 0 then
    local head = string.format('%s %.0f\n', r.generation, r.top + 1)
    r.top = last
    save()
    redis.call('PUBLISH', channel, head .. table.concat(fresh, '\n'))
  else
    save()
  end
  if ending ~= '' then changed() end
  return answer('ok')
end

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

DIGEST: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""How Redis calls the script."""
