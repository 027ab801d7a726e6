-- Puts right what was counted, where it still counts.
--
-- KEYS: one counter for each correction, no key twice.
-- ARGV: for each, the slice and by how much. Counters as in take.lua; slices lie in order, and what
-- is corrected was counted lately, so that the search begins at the end.
local MAX = 9007199254740991
local PAIR, SIZE = '<dd', 16

for i, key in ipairs(KEYS) do
    local slice, by = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local counts = redis.call('GET', key)
    local from = counts and #counts - SIZE + 1 or 0
    while from > SIZE do
        local at, count = struct.unpack(PAIR, counts, from)
        if at < slice then break end
        if at == slice then
            local latest, used = struct.unpack(PAIR, counts)
            local right = math.min(math.max(count + by, 0), MAX)
            counts = struct.pack(PAIR, latest, used + right - count)
                .. string.sub(counts, SIZE + 1, from - 1) .. struct.pack(PAIR, slice, right)
                .. string.sub(counts, from + SIZE)
            redis.call('SET', key, counts, 'PX', math.max(redis.call('PTTL', key), 1))
            break
        end
        from = from - SIZE
    end
end
return #KEYS
