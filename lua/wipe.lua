-- wipe.lua: one step of removing a partition that a crash tore (view.WipePartition).
--
-- KEYS: the partition's positions, then names to remove.
-- ARGV: step, token (a negative integer), number of positions.
--   tear   makes the token every position's b, so that each batch is answered
--          CORRUPT until the end; drops the first name, the list of long work.
--          Returns 0, with nothing done, when no position is torn.
--   drop   removes the names.     end   removes the positions.
-- Returns 1; 0 when another process has taken the wipe over.

local step, token, n = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function torn()
  for i = 1, n do
    local pos = redis.call('HMGET', KEYS[i], 'b', 'n')
    if (pos[1] or '0') ~= (pos[2] or '0') then return true end
  end
  return false
end

if step == 'tear' then
  if not torn() then return 0 end
  for i = 1, n do redis.call('HSET', KEYS[i], 'b', token) end
  redis.call('DEL', KEYS[n + 1])
  return 1
end
if redis.call('HGET', KEYS[1], 'b') ~= token then return 0 end
local from, to = n + 1, #KEYS
if step == 'end' then from, to = 1, n end
for i = from, to do redis.call('UNLINK', KEYS[i]) end
return 1
