-- facts.lua: what the sidecars of a key know.
--
-- KEYS: the key.  Returns {meta flat, {region, seq, ring count, fold or ''}...,
-- marks {s|z|h|x, entries, tombstones}..., parked {t...}, length of :~late}.
-- Tombstones of elements are those elements that are not in the container.

local SIZE = {s = 'SCARD', z = 'ZCARD', h = 'HLEN'}

local function main()
  local key = KEYS[1]
  local K = load_key(key)
  local counters, marks, parked = {}, {}, {}
  each_region(K, function(region)
    local r = call('HMGET', key .. SEQ .. region, 'seq', 'ring', 'fold')
    counters[#counters + 1] = {region, r[1] or '0', #(r[2] or '') > 0 and byte(r[2], 1) or 0, r[3] or ''}
  end)
  for i = 1, 5 do
    local t = TYPES[i]
    if K.m[NEWEST[t]] then
      if t ~= K.t and call('EXISTS', place(K, t)) == 1 and holds(K, t) then parked[#parked + 1] = t end
      if t == 'x' then
        marks[#marks + 1] = {t, 0, call('HLEN', key .. SIDE[t])}
      elseif t ~= 'r' then
        local n = call('HLEN', key .. SIDE[t])
        marks[#marks + 1] = {t, n, n - call(SIZE[t], place(K, t))}
      end
    end
  end
  local flat = call('HGETALL', key .. ':meta')
  return {flat, counters, marks, parked, call('XLEN', key .. ':~late')}
end

return main()
