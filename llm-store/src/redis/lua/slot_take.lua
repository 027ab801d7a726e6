-- Takes a slot, or holds on to it longer: the same call never has two.
--
-- KEYS: the slots of an owner, call -> expiry.
-- ARGV: the time in microseconds, or '' for the server's own; most at once; the call; how long, in
-- milliseconds.
--
-- Answers { granted, held, known, expiry }: refused, when the slot that must go first expires.
local MARGIN = 60000

local key, max, call = KEYS[1], tonumber(ARGV[2]), ARGV[3]
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
now = math.floor(now / 1000)

redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
local held = redis.call('ZCARD', key)
local mine = redis.call('ZSCORE', key, call)
if not mine and held >= max then
    local first = redis.call('ZRANGE', key, held - max, held - max, 'WITHSCORES')[2]
    return { 0, held, first and 1 or 0, tonumber(first or 0) }
end
local ends = now + tonumber(ARGV[4])
redis.call('ZADD', key, string.format('%.0f', ends), call)
local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
redis.call('PEXPIRE', key, string.format('%.0f', last - now + MARGIN))
return { 1, mine and held or held + 1, 1, ends }
