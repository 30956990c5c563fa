-- counter.lua: the string of a key: last SET plus the increments that count.
--
-- The exact value is meta E while it is out of int64 range, else the visible
-- (or parked) string itself; the base of the SET is not stored, since only a
-- newer SET or DEL ever needs a new base. Increments of each origin region are
-- remembered in <key>:seq:<region>: `ring` holds the 64 greatest, `fold` the
-- greatest stamp that is no longer in it, `seq` the highest number (information).
--
-- Ring: count byte, then records, oldest h_hi first. A record is
--   len, h_lo(10), [h_hi(10) when len >= 128], sum as decimal (len % 128 bytes), len
--
-- needs_repair(K, b, units) -> bool   read only; decided before the first write
-- install_counter(K, c)               set value, rings and flags after a barrier
-- increments(K, units, out)           one outcome per unit

local RING = 64
local SEQ = ':seq:'

local function ring_record(lo, hi, sum)
  if lo == hi then
    local n = char(#sum)
    return n .. lo .. sum .. n
  end
  local n = char(#sum + 128)
  return n .. lo .. hi .. sum .. n
end

local function record_size(n)
  if n >= 128 then return n - 128 + 22 end
  return n + 12
end

local function ring_decode(s)
  local list, i = {}, 2
  while i <= #s do
    local n = byte(s, i)
    local size = record_size(n)
    local e = {lo = sub(s, i + 1, i + 10)}
    if n >= 128 then
      e.hi, e.sum = sub(s, i + 11, i + 20), sub(s, i + 21, i + size - 2)
    else
      e.hi, e.sum = e.lo, sub(s, i + 11, i + size - 2)
    end
    e.lp, e.ll = stamp(e.lo, 1)
    e.hp, e.hl = stamp(e.hi, 1)
    list[#list + 1] = e
    i = i + size
  end
  return list
end

local function ring_encode(list, from)
  local parts = {char(#list - from + 1)}
  for i = from, #list do parts[#parts + 1] = ring_record(list[i].lo, list[i].hi, list[i].sum) end
  return table.concat(parts)
end

local function later(a, b)
  if not a or a == '' then return b end
  local p, l = stamp(a, 1)
  local q, m = stamp(b, 1)
  if after(p, l, q, m) then return a end
  return b
end

-- ring_append puts a record that is newer than all into the ring's text.
local function ring_append(ring, fold, lo, hi, sum)
  local n = byte(ring, 1)
  local rest = sub(ring, 2)
  if n >= RING then
    local size = byte(rest, 1)
    local at = size >= 128 and 12 or 2
    fold = later(fold, sub(rest, at, at + 9))
    rest = sub(rest, record_size(size) + 1)
    n = n - 1
  end
  return char(n + 1) .. rest .. ring_record(lo, hi, sum), fold
end

local function ring_insert(ring, fold, u)
  local list = ring_decode(ring)
  local i = #list
  while i > 0 and after(list[i].hp, list[i].hl, u.hp, u.hl) do i = i - 1 end
  table.insert(list, i + 1, u)
  local from = 1
  if #list > RING then
    fold = later(fold, list[1].hi)
    from = 2
  end
  return ring_encode(list, from), fold
end

local function ring_add(ring, fold, u)
  local n = #ring
  if n <= 1 then return char(1) .. ring_record(u.lo, u.hi, u.sum), fold end
  local size = byte(ring, n)
  local at = n - record_size(size) + 2
  if size >= 128 then at = at + 10 end
  local p, l = stamp(ring, at)
  if after(u.hp, u.hl, p, l) then return ring_append(ring, fold, u.lo, u.hi, u.sum) end
  return ring_insert(ring, fold, u)
end

local function each_region(K, f)
  if not K.m.cr then return end
  for region in string.gmatch(K.m.cr, '[^,]+') do f(region) end
end

local function add_region(K, region)
  local cr = K.m.cr
  if cr == nil then
    put(K, 'cr', region)
  elseif not find(',' .. cr .. ',', ',' .. region .. ',', 1, true) then
    put(K, 'cr', cr .. ',' .. region)
  end
end

local function straddles(lp, ll, hp, hl, gp, gl, exp)
  if after(hp, hl, gp, gl) and not after(lp, ll, gp, gl) then return true end
  return exp ~= nil and after(hp, hl, gp, gl) and lp < exp and hp >= exp
end

-- needs_repair: b is the barrier of the batch if it wins, units the increments
-- of the batch. Loads the rings that the barrier splits into K.rings.
local function needs_repair(K, b, units)
  local gp, gl, exp = K.gp, K.gl, K.exp
  local bad = false
  if b then
    gp, gl, exp = b.p, b.l, b.exp
    if b.tie then return true end
    if not K.m.cr and not units[1] then return false end
    K.rings = {}
    each_region(K, function(region)
      local r = call('HMGET', K.key .. SEQ .. region, 'ring', 'fold', 'seq')
      local list = ring_decode(r[1] or '')
      if r[2] then
        local p, l = stamp(r[2], 1)
        bad = bad or after(p, l, gp, gl)
      end
      for i = 1, #list do
        local e = list[i]
        bad = bad or straddles(e.lp, e.ll, e.hp, e.hl, gp, gl, exp)
      end
      K.rings[region] = {list = list, seq = r[3]}
    end)
  end
  for i = 1, #units do
    local u = units[i]
    bad = bad or (u.lo ~= u.hi and straddles(u.lp, u.ll, u.hp, u.hl, gp, gl, exp))
  end
  return bad
end

-- cutoff: a PXAT that is not in the future is never sent, by either clock.
local function cutoff()
  if not CUTOFF then
    local t = call('TIME')
    local ms = tonumber(t[1]) * 1000 + floor(tonumber(t[2]) / 1000)
    CUTOFF = ms > NOW and ms or NOW
  end
  return CUTOFF
end

local function put_string(K, v)
  local at = claim(K, 'r')
  if K.exp and not K.m.af and not LOGICAL then
    if K.exp <= cutoff() then
      call('DEL', at)
    else
      call('SET', at, v, 'PXAT', K.m.exp)
    end
  else
    call('SET', at, v)
  end
end

local function put_exact(K, exact)
  local v = clamp(exact)
  put(K, 'E', v ~= exact and exact or nil)
  put_string(K, v)
end

local NOTHING = {now = '0', now_n = 0, new = '0', new_n = 0, regions = {}}

-- split_rings keeps what is newer than the barrier and sums it by life.
local function split_rings(K, b)
  if not K.m.cr then return NOTHING end
  local c = {now = '0', now_n = 0, new = '0', new_n = 0, regions = {}}
  each_region(K, function(region)
    local r = K.rings[region]
    local keep = {}
    for i = 1, #r.list do
      local e = r.list[i]
      if after(e.hp, e.hl, b.p, b.l) then
        keep[#keep + 1] = e
        c.newest = later(c.newest, e.hi)
        if b.exp and e.lp >= b.exp then
          c.new, c.new_n = add(c.new, e.sum), c.new_n + 1
        else
          c.now, c.now_n = add(c.now, e.sum), c.now_n + 1
        end
      end
    end
    if keep[1] then
      c.regions[#c.regions + 1] = {name = region, seq = r.seq, ring = ring_encode(keep, 1), fold = ''}
    end
  end)
  return c
end

-- install_counter makes the string part of the key what barrier b and the
-- increments c newer than it amount to. G is already written.
local function install_counter(K, b, c)
  if K.m.cr then
    each_region(K, function(region) call('DEL', K.key .. SEQ .. region) end)
    put(K, 'cr', nil)
  end
  for i = 1, #c.regions do
    local r = c.regions[i]
    call('HSET', K.key .. SEQ .. r.name, 'ring', r.ring, 'seq', r.seq or '0')
    if r.fold ~= '' then call('HSET', K.key .. SEQ .. r.name, 'fold', r.fold) end
    add_region(K, r.name)
  end
  put(K, 'E', nil)
  put(K, 'af', c.new_n > 0 and '1' or nil)
  if b.op == 'SET' then
    put(K, 'mc', later(c.newest, b.s))
    if c.new_n > 0 then
      put_exact(K, c.new)
    elseif is_integer(b.v) then
      put_exact(K, c.now_n > 0 and add(b.v, c.now) or b.v)
    else
      put_string(K, b.v)
    end
  elseif c.now_n > 0 then
    put(K, 'mc', c.newest)
    put_exact(K, c.now)
  elseif K.m.mc then
    put(K, 'mc', nil)
    call('UNLINK', place(K, 'r'))
    if K.t == 'r' then show(K, nil) end
  end
end

-- count adds to the value what counts now: sums of the batch by life.
local function count(K, now, now_n, new, new_n)
  local renewed = K.m.af ~= nil
  if new_n > 0 and not renewed then
    put(K, 'af', '1')
    put_exact(K, new)
    return
  end
  local sum
  if renewed then
    if new_n == 0 then return end
    sum = new
  elseif now_n > 0 then
    sum = now
  else
    return
  end
  local exact = K.m.E or call('GET', place(K, 'r'))
  if not exact then
    -- a life that has expired natively stays over; anything else starts from 0
    if K.exp and not renewed then return end
    exact = '0'
  end
  if is_integer(exact) or K.m.E then put_exact(K, add(exact, sum)) end
end

local function increments(K, units, out)
  local now, now_n, new, new_n = '0', 0, '0', 0
  local region, ring, fold, seq
  local function flush()
    if region then
      local name = K.key .. SEQ .. region
      call('HSET', name, 'ring', ring, 'seq', seq)
      if fold then call('HSET', name, 'fold', fold) end
    end
  end
  for i = 1, #units do
    local u = units[i]
    if not after(u.hp, u.hl, K.gp, K.gl) then
      out[#out + 1] = '0'
    else
      out[#out + 1] = '1'
      if u.region ~= region then
        flush()
        region = u.region
        local r = call('HMGET', K.key .. SEQ .. region, 'ring', 'fold', 'seq')
        ring, fold, seq = r[1] or '', r[2], r[3] or '0'
        add_region(K, region)
      end
      ring, fold = ring_add(ring, fold, u)
      if decimal_compare(u.seq, seq) > 0 then seq = u.seq end
      if K.exp and u.lp >= K.exp then
        new, new_n = add(new, u.sum), new_n + 1
      else
        now, now_n = add(now, u.sum), now_n + 1
      end
      raise(K, 'r', u.hi)
    end
  end
  flush()
  count(K, now, now_n, new, new_n)
end
