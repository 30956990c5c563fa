-- sweep.lua: one chunk of the long work that a batch left in geokv:dirty:<p>,
-- a hash of "<kind>:<key>" -> where it stands:
--   s: z: h:  dead elements to drop, cursor      x:  dead entries to drop, bound
--   i:        late entries to insert             (see stream.lua)
--
-- KEYS: geokv:dirty:<p>.  ARGV: XSETID offered (0|1).
-- Returns the number of works left. Resumable: every chunk is atomic.

XSETID = ARGV[1] == '1'
DIRTY = KEYS[1]

local function chunk(kind, K, state)
  if kind == 'x' then return sweep_cut(K, state) end
  if kind == 'i' then return sweep_insert(K) end
  local cursor = sweep_elements(K, kind, state)
  if cursor == '0' then return true end
  call('HSET', DIRTY, kind .. ':' .. K.key, cursor)
  return false
end

local function main()
  if call('EXISTS', DIRTY) == 0 then return 0 end
  local works = call('HGETALL', DIRTY)
  local pick = 1
  for i = 1, #works, 2 do
    -- entries must be gone before others are put around them
    if sub(works[i], 1, 1) == 'x' then pick = i end
  end
  local field = works[pick]
  local K = load_key(sub(field, 3))
  if chunk(sub(field, 1, 1), K, works[pick + 1]) then
    call('HDEL', DIRTY, field)
    settle(K)
    save_key(K)
  end
  return call('HLEN', DIRTY)
end

return main()
