-- key.lua: one key's meta hash, read once and written once per batch, and the
-- places where its values live. All key names are built here.
--
-- load_key(key)     -> K          K.key, K.m (meta fields), K.gp K.gl (stamp of the
--                                 newest SET or DEL, -1 when none), K.exp, K.t
-- put(K, f, v)                    change a meta field; nil deletes it
-- save_key(K)                     write what put changed
-- place(K, t)       -> name       where the value of type t lives now
-- claim(K, t)       -> name       the same, for writing: an empty visible place is taken
-- raise(K, t, s)    -> bool       M_t := max(M_t, packed stamp s) unless dead
-- wipe(K, t)                      drop a type's value and sidecar
-- settle(K)                       the type with the newest op among those that hold
--                                 anything becomes visible, by two RENAMEs
--
-- Types: r string, s set, z sorted set, h hash, x stream. Nothing in settle
-- depends on the time: a string whose SET has expired still holds its place.

-- Set once per call by the script's main part.
local NOW, LOGICAL, CUTOFF, XSETID, DIRTY
local LIMIT = 20000 -- elements one script call may walk; beyond it work is left in DIRTY

local TYPES = {'r', 's', 'z', 'h', 'x'}
local PARK = {r = ':~r', s = ':~s', z = ':~z', h = ':~h', x = ':~x'}
local NEWEST = {r = 'mc', s = 'ms', z = 'mz', h = 'mh', x = 'mx'}
local SIDE = {s = ':smeta', z = ':zmeta', h = ':hmeta', x = ':xmeta'}

local function load_key(key)
  local name = key .. ':meta'
  local a = call('HGETALL', name)
  local m = {phys = nil, logc = nil, reg = nil, op = nil, t = nil, mc = nil, exp = nil, cr = nil}
  for i = 1, #a, 2 do m[a[i]] = a[i + 1] end
  local gp, gl = -1, -1
  if m.phys then gp, gl = tonumber(m.phys), tonumber(m.logc) * 256 + tonumber(m.reg) end
  return {key = key, meta = name, m = m, gp = gp, gl = gl, exp = m.exp and tonumber(m.exp), fresh = a[1] == nil, t = m.t}
end

-- The fields that put has changed of the key at hand; keys are changed one after
-- another. What they are in the end stands in K.m alone: it is written at save.
local CHANGED, NCHANGED, IS_CHANGED = {}, 0, {}

local function put(K, f, v)
  local m = K.m
  if m[f] == v then return end
  m[f] = v
  if IS_CHANGED[f] then return end
  IS_CHANGED[f] = true
  NCHANGED = NCHANGED + 1
  CHANGED[NCHANGED] = f
end

local function save_key(K)
  local sets, nsets, gone, ngone = {}, 0, {}, 0
  for i = 1, NCHANGED do
    local f = CHANGED[i]
    local v = K.m[f]
    IS_CHANGED[f] = nil
    if v then
      sets[nsets + 1], sets[nsets + 2] = f, v
      nsets = nsets + 2
    else
      ngone = ngone + 1
      gone[ngone] = f
    end
  end
  NCHANGED = 0
  if ngone > 0 then call('HDEL', K.meta, unpack(gone)) end
  if nsets > 0 then call('HSET', K.meta, unpack(sets)) end
end

local function place(K, t)
  if K.t == t then return K.key end
  return K.key .. PARK[t]
end

local function show(K, t)
  K.t = t
  put(K, 't', t)
end

local function claim(K, t)
  if K.t == nil then
    -- a name that geokv has no meta for holds nothing of ours
    if K.fresh then
      if t ~= 'r' then call('DEL', K.key) end
    elseif call('EXISTS', K.key .. PARK[t]) == 1 then
      call('RENAME', K.key .. PARK[t], K.key)
    end
    show(K, t)
  end
  return place(K, t)
end

local function alive(K, s)
  local p, l = stamp(s, 1)
  return after(p, l, K.gp, K.gl)
end

local function raise(K, t, s)
  local p, l = stamp(s, 1)
  if not after(p, l, K.gp, K.gl) then return false end
  local old = K.m[NEWEST[t]]
  if old then
    local q, m = stamp(old, 1)
    if not after(p, l, q, m) then return false end
  end
  put(K, NEWEST[t], s)
  return true
end

local function wipe(K, t)
  call('UNLINK', place(K, t), K.key .. SIDE[t])
  if t == 'x' then
    call('UNLINK', K.key .. ':~late')
    put(K, 'xf', nil)
  end
  if K.t == t then show(K, nil) end
  put(K, NEWEST[t], nil)
end

local function holds(K, t)
  if t == 'r' then return true end
  if t == 'x' then return call('XLEN', place(K, t)) > 0 end
  return call('EXISTS', place(K, t)) == 1
end

local function settle(K)
  local m, t = K.m, K.t
  if not ((m.mc and t ~= 'r') or (m.ms and t ~= 's') or (m.mz and t ~= 'z')
      or (m.mh and t ~= 'h') or (m.mx and t ~= 'x')) then
    return -- no type but the one that is shown already
  end
  local best, bp, bl
  for i = 1, 5 do
    local t = TYPES[i]
    local s = K.m[NEWEST[t]]
    if s then
      local p, l = stamp(s, 1)
      if (best == nil or after(p, l, bp, bl)) and holds(K, t) then best, bp, bl = t, p, l end
    end
  end
  if best == nil or best == K.t then return end
  if K.t and call('EXISTS', K.key) == 1 then call('RENAME', K.key, K.key .. PARK[K.t]) end
  if call('EXISTS', K.key .. PARK[best]) == 1 then call('RENAME', K.key .. PARK[best], K.key) end
  show(K, best)
end
