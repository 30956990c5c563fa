-- inspect.lua: a key and what is known of it, as of one instant.
--
-- KEYS: the key, then positions (geokv:pos:...).  ARGV: as in read.lua.
-- Returns {what read.lua returns, what facts.lua returns, next offset of each position}.

local offsets = {}
for i = 2, #KEYS do offsets[i - 1] = call('HGET', KEYS[i], 'off') or '0' end
return {read_key(), key_facts(), offsets}
