-- apply.lua: APPLY, one batch in one atomic step (semantics 4).
--
-- KEYS: geokv:hold, geokv:dirty:<p>, one geokv:pos:<topic>:<p> per range, then
--       the user keys, one per group.
-- ARGV: now, logical (0|1), XSETID offered (0|1), number of ranges, number of groups;
--       per range: from, to, greatest stamp or '', epoch, number of lanes, (field, set)...;
--       per group: number of args, letters of its parts, the parts in this order:
--         i  install: see parse_install
--         b  barrier: stamp, SET|DEL, value, expiry or ''
--         c  increments: n, n times (region, seq, h_lo, h_hi, sum), by region and h_hi
--         s z h  elements (element.lua)     x  stream (stream.lua)
-- Returns {'OK', outcomes, 1 when long work is left}: one 0 or 1 per unit in order
-- of the parts; or, with nothing written: {'HOLD'}, {'DIRTY'}, {'CORRUPT', range}, {'STALE', range, offset},
-- {'REPAIR', group, stamp, ...}. Ranges and groups count from 0.

NOW, LOGICAL, XSETID = tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3] == '1'
DIRTY = KEYS[2]

local function parse_barrier(K, i)
  local s, exp = ARGV[i], ARGV[i + 3]
  local p, l = stamp(s, 1)
  local b = {s = s, op = ARGV[i + 1], v = ARGV[i + 2], exp_text = exp, p = p, l = l,
    exp = exp ~= '' and tonumber(exp) or nil, wins = after(p, l, K.gp, K.gl), tie = nil}
  if p == K.gp and l == K.gl then
    b.tie = b.op == 'SET' and K.m.op == 'SET'
    b.wins = b.tie or b.op == 'DEL' and K.m.op == 'SET'
  end
  return b, i + 4
end

-- parse_install: the barrier as in part b (stamp '' when there is none), newest
-- increment or '', sum and count before the expiry, sum and count past it,
-- number of regions, that many (region, seq, ring, fold or '').
local function parse_install(K, i)
  local b = {s = ARGV[i], op = ARGV[i + 1], v = ARGV[i + 2], exp_text = ARGV[i + 3], wins = true}
  local c = {newest = ARGV[i + 4], now = ARGV[i + 5], now_n = tonumber(ARGV[i + 6]),
    new = ARGV[i + 7], new_n = tonumber(ARGV[i + 8]), regions = {}}
  if b.s ~= '' then b.p, b.l = stamp(b.s, 1) end
  if b.exp_text ~= '' then b.exp = tonumber(b.exp_text) end
  if c.newest == '' then c.newest = nil end
  local n = tonumber(ARGV[i + 9])
  i = i + 10
  for j = 1, n do
    c.regions[j] = {name = ARGV[i], seq = ARGV[i + 1], ring = ARGV[i + 2], fold = ARGV[i + 3]}
    i = i + 4
  end
  return b, c, i
end

local function parse_units(i)
  local n, units = tonumber(ARGV[i]), {}
  i = i + 1
  for j = 1, n do
    local u = {region = ARGV[i], seq = ARGV[i + 1], lo = ARGV[i + 2], hi = ARGV[i + 3], sum = ARGV[i + 4]}
    u.lp, u.ll = stamp(u.lo, 1)
    u.hp, u.hl = stamp(u.hi, 1)
    units[j] = u
    i = i + 5
  end
  return units, i
end

local NO_UNITS = {}

-- plan reads what a group needs and decides about repair; nothing is written.
local function plan(key, i)
  local K = load_key(key)
  local letters = ARGV[i + 1]
  local g = {K = K, letters = letters, units = NO_UNITS, b = nil, ib = nil, ic = nil, at = 1, i = 0}
  i = i + 2
  local at = 1
  if byte(letters, at) == 105 then -- i
    g.ib, g.ic, i = parse_install(K, i)
    at = at + 1
  end
  if byte(letters, at) == 98 then -- b
    g.b, i = parse_barrier(K, i)
    at = at + 1
  end
  if byte(letters, at) == 99 then -- c
    g.units, i = parse_units(i)
    at = at + 1
  end
  g.at, g.i = at, i
  local b = g.b and g.b.wins and g.b or nil
  local p, l = K.gp, K.gl
  if b then p, l = b.p, b.l end
  if g.ib and g.ib.s ~= '' and g.ib.p == p and g.ib.l == l then
    g.installs = true
  elseif (b or g.units[1]) and needs_repair(K, b, g.units) then
    return g, pack(p < 0 and 0 or p, p < 0 and 0 or l)
  end
  return g
end

-- barrier makes b the newest SET or DEL: what is not newer dies.
local function barrier(K, b, c)
  for i = 2, 5 do
    local t = TYPES[i]
    local s = K.m[NEWEST[t]]
    if s then
      local p, l = stamp(s, 1)
      if not after(p, l, b.p, b.l) then
        wipe(K, t)
      elseif t == 'x' then
        local bound = id_of(b.p, b.l)
        cut_stream(K, bound)
        bury_deleted(K, bound)
        tidy(K)
      else
        cut_elements(K, t, b.p, b.l)
      end
    end
  end
  K.gp, K.gl, K.exp = b.p, b.l, b.exp
  put(K, 'phys', fmt('%.0f', b.p))
  put(K, 'logc', fmt('%.0f', floor(b.l / 256)))
  put(K, 'reg', fmt('%.0f', b.l % 256))
  put(K, 'op', b.op)
  put(K, 'exp', b.exp and b.exp_text or nil)
  install_counter(K, b, c or split_rings(K, b))
end

local function run(g, out)
  local K = g.K
  if g.installs then barrier(K, g.ib, g.ic) end
  if g.b then
    out[#out + 1] = g.b.wins and '1' or '0'
    if g.b.wins and not g.installs then barrier(K, g.b) end
  end
  if g.installs then
    for i = 1, #g.units do
      local u = g.units[i]
      out[#out + 1] = after(u.hp, u.hl, K.gp, K.gl) and '1' or '0'
    end
  else
    if g.units[1] then increments(K, g.units, out) end
  end
  local i = g.i
  for n = g.at, #g.letters do
    local t = sub(g.letters, n, n)
    if t == 'x' then i = stream(K, i, out) else i = elements(K, t, i, out) end
  end
  settle(K)
  save_key(K)
end

local function main()
  if call('EXISTS', KEYS[1]) == 1 then return {'HOLD'} end
  if call('EXISTS', DIRTY) == 1 then return {'DIRTY'} end
  local nranges, ngroups = tonumber(ARGV[4]), tonumber(ARGV[5])
  local i = 6
  local ranges = {}
  for r = 1, nranges do
    local pos = call('HMGET', KEYS[2 + r], 'off', 'b', 'n', 'hlc')
    if (pos[2] or '0') ~= (pos[3] or '0') then return {'CORRUPT', r - 1} end
    if (pos[1] or '0') ~= ARGV[i] then return {'STALE', r - 1, pos[1] or '0'} end
    local lanes = tonumber(ARGV[i + 4])
    ranges[r] = {at = i, lanes = lanes, hlc = pos[4]}
    i = i + 5 + 2 * lanes
  end
  local groups, repair = {}, {'REPAIR'}
  for n = 1, ngroups do
    local g, since = plan(KEYS[2 + nranges + n], i)
    if since then
      repair[#repair + 1] = n - 1
      repair[#repair + 1] = since
    end
    groups[n] = g
    i = i + tonumber(ARGV[i]) + 1
  end
  if repair[2] then return repair end
  for r = 1, nranges do ranges[r].b = call('HINCRBY', KEYS[2 + r], 'b', '1') end
  local out = {}
  for n = 1, ngroups do run(groups[n], out) end
  for r = 1, nranges do
    local at, fields = ranges[r].at, {}
    for j = 1, 2 * ranges[r].lanes do fields[j] = ARGV[at + 4 + j] end
    in_chunks('HSET', KEYS[2 + r], fields)
    local hlc = ARGV[at + 2]
    if ranges[r].hlc then hlc = hlc == '' and ranges[r].hlc or later(ranges[r].hlc, hlc) end
    call('HSET', KEYS[2 + r], 'off', ARGV[at + 1], 'epoch', ARGV[at + 3], 'hlc', hlc, 'n', fmt('%.0f', ranges[r].b))
  end
  return {'OK', table.concat(out), call('EXISTS', DIRTY)}
end

return main()
