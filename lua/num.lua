-- num.lua: numbers and stamps. Numbers in Lua are doubles, exact only to 2^53,
-- so integers cross as decimal strings and stamps as 10 packed bytes. Strings
-- are never ordered with `<`: that follows the server's collation.
--
-- stamp(s, i)        -> p, l      the packed stamp at byte i: physical ms, logical*256+region
-- after(p,l,q,m)     -> bool      (p,l) later than (q,m)
-- add(a, b)          -> string    exact sum of two decimal integers below 1e30
-- clamp(a)           -> string    a limited to int64
-- is_integer(s)      -> bool      canonical decimal within int64
-- bytes_compare(a,b) -> -1|0|1    by unsigned bytes
-- id_compare(a, b)   -> -1|0|1    stream ids "ms-seq", exact over 64 bits
-- id_of(p, l)        -> string    the stream id a stamp stands for

local call = redis.call
local byte, char, sub, fmt, find = string.byte, string.char, string.sub, string.format, string.find
local floor = math.floor

local BASE = 1e15
local INT_MAX, INT_MIN = '9223372036854775807', '-9223372036854775808'

local function stamp(s, i)
  local a, b, c, d, e, f, g, h, k, r = byte(s, i, i + 9)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f,
    ((g * 256 + h) * 256 + k) * 256 + r
end

local function after(p, l, q, m)
  return p > q or (p == q and l > m)
end

-- pack writes a stamp; the inverse of stamp(s, 1).
local function pack(p, l)
  local b = {}
  for i = 6, 1, -1 do
    b[i] = p % 256
    p = floor(p / 256)
  end
  for i = 10, 7, -1 do
    b[i] = l % 256
    l = floor(l / 256)
  end
  return char(unpack(b))
end

-- limbs splits a decimal into two doubles of one sign: hi * 1e15 + lo.
local function limbs(s)
  local negative = byte(s, 1) == 45
  local digits = negative and sub(s, 2) or s
  local hi, lo = 0, tonumber(sub(digits, -15))
  if #digits > 15 then hi = tonumber(sub(digits, 1, -16)) end
  if negative then return -hi, -lo end
  return hi, lo
end

local function add(a, b)
  if #a < 16 and #b < 16 then return fmt('%.0f', tonumber(a) + tonumber(b)) end
  local hi, lo = limbs(a)
  local hi2, lo2 = limbs(b)
  hi, lo = hi + hi2, lo + lo2
  if lo >= BASE then hi, lo = hi + 1, lo - BASE elseif lo <= -BASE then hi, lo = hi - 1, lo + BASE end
  if hi > 0 and lo < 0 then hi, lo = hi - 1, lo + BASE elseif hi < 0 and lo > 0 then hi, lo = hi + 1, lo - BASE end
  if hi == 0 then return fmt('%.0f', lo + 0) end
  if hi < 0 then return fmt('-%.0f%015.0f', -hi, 0 - lo) end -- 0 -: -lo of 0 prints a sign
  return fmt('%.0f%015.0f', hi, lo)
end

local function clamp(a)
  if #a < 19 then return a end
  local hi, lo = limbs(a)
  if hi > 9223 or (hi == 9223 and lo > 372036854775807) then return INT_MAX end
  if hi < -9223 or (hi == -9223 and lo < -372036854775808) then return INT_MIN end
  return a
end

local function is_integer(s)
  if s == '0' then return true end
  return #s <= 20 and find(s, '^%-?[1-9][0-9]*$') ~= nil and clamp(s) == s
end

local function bytes_compare(a, b)
  local n = #a < #b and #a or #b
  for i = 1, n do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y and -1 or 1 end
  end
  if #a == #b then return 0 end
  return #a < #b and -1 or 1
end

local function id_split(id)
  local dash = find(id, '-', 1, true)
  return sub(id, 1, dash - 1), sub(id, dash + 1)
end

-- decimals without sign or leading zeros
local function decimal_compare(a, b)
  if a == b then return 0 end
  if #a ~= #b then return #a < #b and -1 or 1 end
  return bytes_compare(a, b)
end

local function id_compare(a, b)
  if a == b then return 0 end
  local ams, aseq = id_split(a)
  local bms, bseq = id_split(b)
  local c = decimal_compare(ams, bms)
  if c ~= 0 then return c end
  return decimal_compare(aseq, bseq)
end

local function id_of(p, l)
  if p < 0 then return '0-0' end
  return fmt('%.0f-%.0f', p, floor(l / 256) * 10 + l % 256)
end

-- in_chunks runs a command over a list of arguments, 1,000 at a time: unpack
-- has a limit, and pairs stay together.
local function in_chunks(command, key, list)
  local n = #list
  if n == 0 then return end
  if n <= 1000 then
    call(command, key, unpack(list))
    return
  end
  for i = 1, n, 1000 do
    call(command, key, unpack(list, i, i + 999 < n and i + 999 or n))
  end
end
