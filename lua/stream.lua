-- stream.lua: streams. An entry's id derives from its stamp, so a late entry has
-- its place waiting; Redis refuses an XADD below the last id, so the tail is
-- taken out and put back around it, in one script.
--
-- stream(K, i, out) -> next i
--   ARGV at i: newest stamp of the type in this batch, trim floor or '',
--   number of deleted ids, that many (id, stamp of the XDEL),
--   number of entries, that many (id, stamp, number of strings, strings...),
--   entries in rising order of id. Outcomes: newest raised, floor raised (when
--   given), one per deleted id, one per entry.
-- cut_stream(K, bound)     drop entries up to and including bound, or leave it in DIRTY
-- sweep_cut(K, bound)      -> true when done
-- sweep_insert(K)          -> true when done
--
-- With XSETID (any real Redis) the last id, entries-added, max-deleted and the
-- groups' entries-read stay right; the embedded server has none and compares
-- with the last existing entry only.

local DELETED = ':xmeta'
local LATE_CAP = '10000'

local function ids_of(entries)
  local ids = {}
  for i = 1, #entries do ids[i] = entries[i][1] end
  return ids
end

-- drop deletes entries up to bound (inclusive), LIMIT at most, by XRANGE and
-- XDEL: XTRIM stops early in a stream that was rebuilt.
local function drop(name, bound)
  for _ = 1, LIMIT / 1000 do
    local found = call('XRANGE', name, '-', bound, 'COUNT', '1000')
    if #found == 0 then return true end
    call('XDEL', name, unpack(ids_of(found)))
    if #found < 1000 then return true end
  end
  return false
end

-- tidy removes a stream that has no entries, unless groups wait on it.
local function tidy(K)
  local name = place(K, 'x')
  if call('EXISTS', name) == 0 or call('XLEN', name) > 0 then return end
  if #call('XINFO', 'GROUPS', name) == 0 then call('DEL', name) end
end

local function cut_stream(K, bound)
  if not drop(place(K, 'x'), bound) then call('HSET', DIRTY, 'x:' .. K.key, bound) end
end

local function sweep_cut(K, bound)
  if not drop(place(K, 'x'), bound) then return false end
  tidy(K)
  return true
end

-- bury_deleted forgets deleted ids that the barrier covers: they need no mark.
local function bury_deleted(K, bound)
  local marks = call('HGETALL', K.key .. DELETED)
  local dead = {}
  for i = 1, #marks, 2 do
    if id_compare(marks[i], bound) <= 0 then dead[#dead + 1] = marks[i] end
  end
  in_chunks('HDEL', K.key .. DELETED, dead)
  if K.m.xf and id_compare(K.m.xf, bound) <= 0 then put(K, 'xf', nil) end
end

local function info_of(name)
  local flat, info = call('XINFO', 'STREAM', name), {}
  for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
  return {
    length = info.length,
    last = info['last-generated-id'],
    added = info['entries-added'] or 0,
    deleted = info['max-deleted-entry-id'] or '0-0',
  }
end

local function fields_compare(a, b)
  for i = 1, (#a < #b and #a or #b) do
    local c = bytes_compare(a[i], b[i])
    if c ~= 0 then return c end
  end
  return #a - #b
end

-- lower brings the stream's last id down to `before`, in two steps: Redis 7.2
-- and newer refuse one.
local function lower(name, info, before)
  if not XSETID then return end
  call('XSETID', name, info.last, 'ENTRIESADDED', fmt('%.0f', info.added), 'MAXDELETEDID', '0-1')
  call('XSETID', name, before)
end

-- raise_back restores last id and counters, with n entries more than before.
local function raise_back(name, info, n)
  if not XSETID then return end
  local deleted = info.deleted == '0-0' and '0-1' or info.deleted
  call('XSETID', name, info.last, 'ENTRIESADDED', fmt('%.0f', info.added + n), 'MAXDELETEDID', deleted)
end

-- tell_groups keeps the lag of groups right that are already past a late entry,
-- and lists late ids for consumers that tail the stream.
local function tell_groups(K, name, ids)
  for i = 1, #ids do call('XADD', K.key .. ':~late', 'MAXLEN', LATE_CAP, '*', 'id', ids[i]) end
  if not XSETID then return end
  local groups = call('XINFO', 'GROUPS', name)
  for i = 1, #groups do
    local g = {}
    for j = 1, #groups[i], 2 do g[groups[i][j]] = groups[i][j + 1] end
    local last, read, n = g['last-delivered-id'], g['entries-read'], 0
    for j = 1, #ids do
      if id_compare(ids[j], last) < 0 then n = n + 1 end
    end
    if n > 0 and read then
      call('XGROUP', 'SETID', name, g.name, last, 'ENTRIESREAD', fmt('%.0f', read + n))
    end
  end
end

local function take_out(name, entries)
  for i = 1, #entries, 1000 do
    local ids = {}
    for j = i, (i + 999 < #entries and i + 999 or #entries) do ids[#ids + 1] = entries[j][1] end
    call('XDEL', name, unpack(ids))
  end
end

-- merge puts two rising lists into the stream; of equal ids the one with the
-- greater bytes. It stops after `most` entries.
local function merge(name, tail, late, most)
  local i, j, n = 1, 1, 0
  while n < most and (tail[i] or late[j]) do
    local a, b = tail[i], late[j]
    local c = (not b and -1) or (not a and 1) or id_compare(a[1], b[1])
    local e = a
    if c == 0 then
      if fields_compare(b[2], a[2]) > 0 then e = b end
      i, j = i + 1, j + 1
    elseif c < 0 then
      i = i + 1
    else
      e, j = b, j + 1
    end
    call('XADD', name, e[1], unpack(e[2]))
    n = n + 1
  end
  return n
end

local function work_names(K)
  return DIRTY .. ':late:' .. K.key, DIRTY .. ':tail:' .. K.key
end

local function last_before(name, id)
  local e = call('XREVRANGE', name, '(' .. id, '-', 'COUNT', '1')
  return e[1] and e[1][1] or '0-1'
end

-- defer writes a long insertion down for sweep_insert.
local function defer(K, late, info)
  local late_name = work_names(K)
  local before = last_before(place(K, 'x'), late[1][1])
  for i = 1, #late do call('XADD', late_name, late[i][1], unpack(late[i][2])) end
  call('HSET', DIRTY, 'i:' .. K.key, table.concat(
    {'out', late[1][1], before, info.last, fmt('%.0f', info.added), info.deleted}, ' '))
end

-- fresh_ids are the late ids that were not in the tail already.
local function fresh_ids(tail, late)
  local known, ids = {}, {}
  for i = 1, #tail do known[tail[i][1]] = true end
  for i = 1, #late do
    if not known[late[i][1]] then ids[#ids + 1] = late[i][1] end
  end
  return ids
end

-- insert_late puts rising late entries at their places: one rebuild of the
-- tail for all of them, or of the whole stream when the tail is longer than a
-- quarter of it, which also frees the slots that earlier deletions left. true
-- when the tail is too long for one script: nothing is done then.
local function insert_late(K, name, late, info)
  local first = late[1][1]
  local tail = call('XRANGE', name, first, '+', 'COUNT', LIMIT + 1)
  if #tail > LIMIT then return true end
  local before = last_before(name, first)
  local ids = fresh_ids(tail, late)
  if #tail * 4 > info.length and info.length <= LIMIT then
    tail, before = call('XRANGE', name, '-', '+'), '0-1'
  end
  take_out(name, tail)
  lower(name, info, before)
  merge(name, tail, late, #tail + #late)
  raise_back(name, info, #ids)
  tell_groups(K, name, ids)
end

local function words(s)
  local list = {}
  for w in string.gmatch(s, '[^ ]+') do list[#list + 1] = w end
  return list
end

-- sweep_insert continues a long insertion: first the tail moves out in chunks,
-- then tail and late entries come back in order. Where it stands is in the
-- streams themselves: what is not beyond the last entry has been put back.
local function sweep_insert(K)
  local field, name = 'i:' .. K.key, place(K, 'x')
  local late_name, tail_name = work_names(K)
  local w = words(call('HGET', DIRTY, field))
  local info = {last = w[4], added = tonumber(w[5]), deleted = w[6]}
  if w[1] == 'out' then
    local tail = call('XRANGE', name, w[2], '+', 'COUNT', '2000')
    for i = 1, #tail do call('XADD', tail_name, tail[i][1], unpack(tail[i][2])) end
    take_out(name, tail)
    if #tail == 2000 then return false end
    lower(name, info, w[3])
    w[1] = 'in'
    call('HSET', DIRTY, field, table.concat(w, ' '))
    return false
  end
  local newest = call('XREVRANGE', name, '+', '-', 'COUNT', '1')
  local from = newest[1] and '(' .. newest[1][1] or '-'
  local tail = call('XRANGE', tail_name, from, '+', 'COUNT', '2000')
  local late = call('XRANGE', late_name, from, '+', 'COUNT', '2000')
  if tail[1] or late[1] then
    merge(name, tail, late, 2000)
    return false
  end
  late = call('XRANGE', late_name, '-', '+')
  local ids = {}
  for i = 1, #late do
    if #call('XRANGE', tail_name, late[i][1], late[i][1]) == 0 then ids[#ids + 1] = late[i][1] end
  end
  raise_back(name, info, #ids)
  tell_groups(K, name, ids)
  call('UNLINK', late_name, tail_name)
  return true
end

-- append adds entries that come after the last one; false at the first that
-- does not. Any refusal ends there with nothing touched.
local function append(name, entries, from)
  for i = from, #entries do
    local r = redis.pcall('XADD', name, entries[i][1], unpack(entries[i][2]))
    if type(r) == 'table' and r.err then
      if not find(r.err, 'smaller', 1, true) then error(r.err) end
      return i
    end
  end
end

-- add_entries puts rising entries into the stream: late ones first.
local function add_entries(K, entries)
  local name = claim(K, 'x')
  local at = append(name, entries, 1)
  if not at then return end
  local info, late = info_of(name), {}
  while entries[at] and id_compare(entries[at][1], info.last) <= 0 do
    late[#late + 1] = entries[at]
    at = at + 1
  end
  if not insert_late(K, name, late, info) then
    append(name, entries, at)
    return
  end
  append(name, entries, at)
  defer(K, late, info_of(name))
end

local function mark_deleted(K, i, n, out, exists, bound)
  local ids, writes = {}, {}
  for j = 1, n do
    local id, s = ARGV[i], ARGV[i + 1]
    i = i + 2
    if id_compare(id, bound) <= 0 then
      out[#out + 1] = '0'
    else
      local old = call('HGET', K.key .. DELETED, id)
      out[#out + 1] = old and '0' or '1'
      ids[#ids + 1] = id
      writes[#writes + 1] = id
      writes[#writes + 1] = old and later(old, s) or s
    end
  end
  in_chunks('HSET', K.key .. DELETED, writes)
  if exists then in_chunks('XDEL', place(K, 'x'), ids) end
  return i
end

local function strings(i, n)
  local list = {}
  for j = 1, n do list[j] = ARGV[i + j - 1] end
  return list
end

local function stream(K, i, out)
  local newest, trim, ndel = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local exists = K.m.mx ~= nil
  local bound = id_of(K.gp, K.gl)
  i = i + 3
  out[#out + 1] = raise(K, 'x', newest) and '1' or '0'
  if trim ~= '' then
    local up = id_compare(trim, bound) > 0 and id_compare(trim, K.m.xf or '0-0') > 0
    out[#out + 1] = up and '1' or '0'
    if up then
      put(K, 'xf', trim)
      if exists then cut_stream(K, '(' .. trim) end
    end
  end
  i = mark_deleted(K, i, ndel, out, exists, bound)
  local n, entries = tonumber(ARGV[i]), {}
  i = i + 1
  for j = 1, n do
    local id, s, fields = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
    local e = {id, strings(i + 3, fields)}
    i = i + 3 + fields
    local ok = alive(K, s) and (not K.m.xf or id_compare(id, K.m.xf) >= 0)
      and call('HEXISTS', K.key .. DELETED, id) == 0
    out[#out + 1] = ok and '1' or '0'
    if ok then entries[#entries + 1] = e end
  end
  if entries[1] then add_entries(K, entries) end
  if exists then tidy(K) end
  return i
end
