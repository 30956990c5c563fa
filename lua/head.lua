-- head.lua: what a bridge must know of a key before it writes.
--
-- KEYS: the key.  Returns {type shown at the key's name (none|string|set|...),
-- newest stamp over the last SET or DEL and every type or '', the visible string
-- when it is short, else ''}.

local function main()
  local key = KEYS[1]
  local K = load_key(key)
  local p, l = K.gp, K.gl
  for i = 1, 5 do
    local s = K.m[NEWEST[TYPES[i]]]
    if s then
      local q, m = stamp(s, 1)
      if after(q, m, p, l) then p, l = q, m end
    end
  end
  local t = call('TYPE', key)
  t = type(t) == 'table' and t.ok or t
  if t == 'stream' and call('XLEN', key) == 0 then t = 'none' end
  local text = ''
  if t == 'string' and call('STRLEN', key) <= 20 then text = call('GET', key) or '' end
  return {t, p < 0 and '' or pack(p, l), text}
end

return main()
