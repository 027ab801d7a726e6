-- A recording, if every list in which a purge would look for it still names it. A server that is
-- short of memory may drop a list and keep what it lists; then nobody could purge that any more.
--
-- KEYS: the recording, the list of its tenant, the list of its scope.
-- ARGV: its name in lists; what the lists of tags begin with.
-- Lists of tags are found in the recording. They have the same braces, and so lie in the same slot.
local found = redis.call('HMGET', KEYS[1], 'bytes', 'tags')
if not found[1] or not found[2] then return false end

local function named(list) return redis.call('ZSCORE', list, ARGV[1]) end

local good = named(KEYS[2]) and named(KEYS[3])
for _, tag in ipairs(cmsgpack.unpack(found[2])) do
    good = good and named(ARGV[2] .. tag)
end
if good then return found[1] end
redis.call('UNLINK', KEYS[1])
return false
