-- read.lua: one key as of one instant.
--
-- KEYS: the key.  ARGV: limit (0 all), cursor of the visible container ('' from
-- the start; see below), with limit 0 the most elements a container may have (0
-- any number).
-- Returns {meta as a flat array, t of what stands at the key's own name or '',
-- total of the visible container, next cursor or '', then (t, value)...}: the
-- visible type first if it is there. Values as Redis returns them: a string,
-- members, (member, score)..., (field, value)..., {id, strings}...
-- When a container has more than it may, only {how many}: nothing of it was read.
-- Cursors: zset rank, stream id (exclusive), set and hash SCAN cursor.

local LIMIT_N, CURSOR, MOST = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

local TOTAL = {s = 'SCARD', z = 'ZCARD', h = 'HLEN', x = 'XLEN', r = 'STRLEN'}

local function whole(t, name)
  if t == 's' then return call('SMEMBERS', name) end
  if t == 'z' then return call('ZRANGE', name, '0', '-1', 'WITHSCORES') end
  if t == 'h' then return call('HGETALL', name) end
  return call('XRANGE', name, '-', '+')
end

-- part returns at most about LIMIT_N elements and the next cursor.
local function part(t, name, total, cursor)
  if t == 'z' then
    local from = cursor == '' and 0 or tonumber(cursor)
    local list = call('ZRANGE', name, from, from + LIMIT_N - 1, 'WITHSCORES')
    return list, from + LIMIT_N < total and fmt('%.0f', from + LIMIT_N) or ''
  end
  if t == 'x' then
    local list = call('XRANGE', name, cursor == '' and '-' or '(' .. cursor, '+', 'COUNT', LIMIT_N + 1)
    if #list <= LIMIT_N then return list, '' end
    list[#list] = nil
    return list, list[#list][1]
  end
  local scan = t == 's' and 'SSCAN' or 'HSCAN'
  local list = {}
  if cursor == '' then cursor = '0' end
  repeat
    local r = call(scan, name, cursor, 'COUNT', LIMIT_N)
    cursor = r[1]
    for i = 1, #r[2] do list[#list + 1] = r[2][i] end
  until cursor == '0' or #list >= LIMIT_N * (t == 's' and 1 or 2)
  return list, cursor == '0' and '' or cursor
end

local function read(t, name, total, cursor)
  if t == 'r' then return call('GET', name), '' end
  if LIMIT_N > 0 and (total > LIMIT_N or cursor ~= '') then return part(t, name, total, cursor) end
  return whole(t, name), ''
end

local function main()
  local key = KEYS[1]
  local flat = call('HGETALL', key .. ':meta')
  local K = {key = key, m = {}}
  for i = 1, #flat, 2 do K.m[flat[i]] = flat[i + 1] end
  K.t = K.m.t
  local out = {flat, K.t or '', 0, ''}
  local order = {}
  if K.t then order[1] = K.t end
  for i = 1, 5 do
    if TYPES[i] ~= K.t then order[#order + 1] = TYPES[i] end
  end
  for i = 1, #order do
    local t = order[i]
    if K.m[NEWEST[t]] then
      local name = place(K, t)
      local total = call(TOTAL[t], name)
      if t ~= 'r' and LIMIT_N == 0 and MOST > 0 and total > MOST then return {total} end
      local value, next_cursor = read(t, name, total, t == K.t and CURSOR or '')
      if t == K.t then
        out[3] = total
        out[4] = next_cursor
      end
      if value then
        out[#out + 1] = t
        out[#out + 1] = value
      end
    end
  end
  return out
end

return main()
