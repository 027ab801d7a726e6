-- Takes a list away at once: what it names is served no more, and what is kept from now on is
-- named in a new one.
--
-- KEYS: the list. ARGV: what lists of the doomed begin with.
-- Answers the name under which it can be emptied, or false when there is nothing to forget.
local STAYS = 60000

if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local time = redis.call('TIME')
local doomed = ARGV[1] .. time[1] .. '.' .. time[2]
redis.call('RENAME', KEYS[1], doomed)
redis.call('PEXPIRE', doomed, STAYS)
return doomed
