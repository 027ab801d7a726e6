-- Forgets some of the doomed.
--
-- KEYS: the doomed, and the list that replaces theirs.
-- ARGV: what recordings begin with; how many at a time; 1 when they are those of a tag; the tag.
-- Answers { forgotten, left }.
local record, tagged, tag = ARGV[1], ARGV[3] == '1', ARGV[4]
local some, forgotten = redis.call('ZPOPMIN', KEYS[1], ARGV[2]), 0
for i = 1, #some, 2 do
    local member = some[i]
    -- Kept again after the purge began: not what was meant.
    local meant = not redis.call('ZSCORE', KEYS[2], member)
    if meant and tagged then
        -- A list may still name what was kept again with other tags.
        local tags = redis.call('HGET', record .. member, 'tags')
        meant = false
        for _, one in ipairs(tags and cmsgpack.unpack(tags) or {}) do meant = meant or one == tag end
    end
    if meant then forgotten = forgotten + redis.call('UNLINK', record .. member) end
end
return { forgotten, redis.call('ZCARD', KEYS[1]) }
