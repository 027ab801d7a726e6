-- Holds on to a slot longer, if it has not expired.
--
-- KEYS and ARGV as for taking one, without the most at once. Answers 1, or 0 when it is gone.
local MARGIN = 60000

local key, call = KEYS[1], ARGV[2]
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
now = math.floor(now / 1000)

local ends = tonumber(redis.call('ZSCORE', key, call) or nil)
if not ends or ends <= now then return 0 end
redis.call('ZADD', key, string.format('%.0f', now + tonumber(ARGV[3])), call)
local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
redis.call('PEXPIRE', key, string.format('%.0f', last - now + MARGIN))
return 1
