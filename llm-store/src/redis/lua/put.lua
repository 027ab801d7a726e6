-- Keeps a recording and names it in every list in which a purge would look for it.
--
-- KEYS: the recording, the list of its tenant, the list of its scope.
-- ARGV: its name in lists; what the lists of tags begin with; what recordings begin with; how long
-- in milliseconds; how many a list may name; the bytes; then its tags.
local PRUNE = 128            -- more than one comes with each call, so that lists shrink
local MARGIN = 60000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local record, member, ttl, most = KEYS[1], ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local ends = string.format('%.0f', now + ttl)

local lists, tags = { KEYS[2], KEYS[3] }, {}
for i = 7, #ARGV do
    tags[#tags + 1] = ARGV[i]
    lists[#lists + 1] = ARGV[2] .. ARGV[i]
end
-- What stood here before may have had other tags.
local old = redis.call('HGET', record, 'tags')
if old then
    for _, tag in ipairs(cmsgpack.unpack(old)) do redis.call('ZREM', ARGV[2] .. tag, member) end
end
redis.call('HSET', record, 'bytes', ARGV[6], 'tags', cmsgpack.pack(tags))
redis.call('PEXPIRE', record, ARGV[4])

for _, list in ipairs(lists) do
    local gone = redis.call('ZRANGEBYSCORE', list, '-inf', string.format('%.0f', now), 'LIMIT', 0, PRUNE)
    if #gone > 0 then redis.call('ZREM', list, unpack(gone)) end
    -- Room is made first, so that the newest stays: what no list names must not stay.
    if not redis.call('ZSCORE', list, member) then
        local over = redis.call('ZCARD', list) + 1 - most
        local out = over > 0 and redis.call('ZPOPMIN', list, math.min(over, PRUNE)) or {}
        for i = 1, #out, 2 do redis.call('UNLINK', ARGV[3] .. out[i]) end
    end
    redis.call('ZADD', list, ends, member)
    if redis.call('PTTL', list) < ttl + MARGIN then
        redis.call('PEXPIRE', list, string.format('%.0f', ttl + MARGIN))
    end
end
return 1
