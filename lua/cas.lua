-- cas.lua: compare-and-set with a time to live. KEYS: name. ARGV: expected value,
-- new value, milliseconds. Returns 1 when set.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
