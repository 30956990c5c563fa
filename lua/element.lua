-- element.lua: sets, sorted sets and hashes: the newest operation per member or
-- field wins. The sidecar maps element -> 10-byte stamp + A (there) or R
-- (removed: a tombstone, so that an older addition that comes later loses).
--
-- elements(K, t, i, out) -> next i
--   ARGV at i: n, newest stamp of the type in this batch, then n times
--   element, stamp + flag, and for z its score, for h its value ('' when R).
--   Elements of one batch are distinct. Outcomes: newest raised, then one per element.
-- cut_elements(K, t, p, l)   drop what is not newer than (p,l), or leave it in DIRTY
-- sweep_elements(K, t, cursor) -> next cursor, '0' at the end

local ADD = {s = 'SADD', z = 'ZADD', h = 'HSET'}
local REMOVE = {s = 'SREM', z = 'ZREM', h = 'HDEL'}

local INFINITY = 1e308 * 10 -- math.huge is the greatest finite number on the embedded server

-- score_text is the shortest decimal that round-trips, laid out as the log's
-- JSON does it: the bytes that decide a tie. Text becomes a number by `+ 0`: the
-- embedded server's tonumber knows no exponents.
local function score_text(x)
  if x == INFINITY then return 'inf' end
  if x == -INFINITY then return '-inf' end
  if x == 0 then return '0' end
  local text
  for precision = 0, 16 do
    text = fmt('%.' .. precision .. 'e', x)
    if text + 0 == x then break end
  end
  local a = math.abs(x)
  local mark = find(text, 'e', 1, true)
  local e = tonumber(sub(text, mark + 2)) * (byte(text, mark + 1) == 45 and -1 or 1)
  local sign = x < 0 and '-' or ''
  local lead, rest = sub(text, #sign + 1, #sign + 1), sub(text, #sign + 3, mark - 1)
  if a < 1e-6 or a >= 1e21 then
    return sign .. lead .. (rest ~= '' and '.' .. rest or '') .. fmt('e%s%02d', e < 0 and '-' or '+', math.abs(e))
  end
  local digits = lead .. rest
  if e < 0 then return sign .. '0.' .. string.rep('0', -e - 1) .. digits end
  if #digits <= e + 1 then return sign .. digits .. string.rep('0', e + 1 - #digits) end
  return sign .. sub(digits, 1, e + 1) .. '.' .. sub(digits, e + 2)
end

-- beats decides between two operations with one stamp, which well-run
-- producers never make: removal first, then the greater payload bytes.
local function beats(K, t, element, mark, payload, old)
  local new_flag, old_flag = byte(mark, 11), byte(old, 11)
  if new_flag ~= old_flag then return new_flag == 82 end
  if new_flag == 82 or t == 's' then return false end
  if t == 'h' then
    return bytes_compare(payload, call('HGET', place(K, t), element) or '') > 0
  end
  local score = call('ZSCORE', place(K, t), element)
  return not score or bytes_compare(score_text(payload + 0), score_text(score + 0)) > 0
end

local function wins(K, t, element, mark, payload, old)
  local p, l = stamp(mark, 1)
  if not after(p, l, K.gp, K.gl) then return false end
  if not old then return true end
  local q, m = stamp(old, 1)
  if p == q and l == m then return beats(K, t, element, mark, payload, old) end
  return after(p, l, q, m)
end

-- marks reads the sidecar's entries of the elements at ARGV i, i+width, ...
local function marks(side, i, n, width)
  local all = {}
  for from = 0, n - 1, 1000 do
    local names = {}
    for j = from, (from + 999 < n and from + 999 or n - 1) do names[#names + 1] = ARGV[i + j * width] end
    local found = call('HMGET', side, unpack(names))
    for j = 1, #names do all[from + j] = found[j] end
  end
  return all
end

local function elements(K, t, i, out)
  local n, newest = tonumber(ARGV[i]), ARGV[i + 1]
  local width = t == 's' and 2 or 3
  local side = K.key .. SIDE[t]
  local known = K.m[NEWEST[t]] and marks(side, i + 2, n, width) or {}
  local adds, gone, writes = {}, {}, {}
  i = i + 2
  out[#out + 1] = '' -- whether the newest stamp rises is known below
  local raised = #out
  for j = 1, n do
    local element, mark, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if wins(K, t, element, mark, payload, known[j]) then
      out[#out + 1] = '1'
      writes[#writes + 1] = element
      writes[#writes + 1] = mark
      if byte(mark, 11) == 82 then
        gone[#gone + 1] = element
      else
        if t == 'z' then adds[#adds + 1] = payload end
        adds[#adds + 1] = element
        if t == 'h' then adds[#adds + 1] = payload end
      end
    else
      out[#out + 1] = '0'
    end
    i = i + width
  end
  if gone[1] and K.m[NEWEST[t]] then in_chunks(REMOVE[t], place(K, t), gone) end
  if adds[1] then in_chunks(ADD[t], claim(K, t), adds) end
  in_chunks('HSET', side, writes)
  out[raised] = raise(K, t, newest) and '1' or '0'
  return i
end

-- bury drops the dead among a flat list of element, mark.
local function bury(K, t, list, p, l)
  local dead, gone = {}, {}
  for i = 1, #list, 2 do
    local q, m = stamp(list[i + 1], 1)
    if not after(q, m, p, l) then
      dead[#dead + 1] = list[i]
      if byte(list[i + 1], 11) == 65 then gone[#gone + 1] = list[i] end
    end
  end
  in_chunks(REMOVE[t], place(K, t), gone)
  in_chunks('HDEL', K.key .. SIDE[t], dead)
end

local function cut_elements(K, t, p, l)
  local side = K.key .. SIDE[t]
  if call('HLEN', side) > LIMIT then
    call('HSET', DIRTY, t .. ':' .. K.key, '0')
    return
  end
  bury(K, t, call('HGETALL', side), p, l)
end

local function sweep_elements(K, t, cursor)
  local r = call('HSCAN', K.key .. SIDE[t], cursor, 'COUNT', '4000')
  bury(K, t, r[2], K.gp, K.gl)
  return r[1]
end
