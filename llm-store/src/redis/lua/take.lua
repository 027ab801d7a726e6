-- Counts against every rule of an owner, or against none.
--
-- KEYS: one counter for each rule, no key twice.
-- ARGV: the time in microseconds, or '' for the server's own; then for each rule
--   'rolling',  n, limit, length, width      (milliseconds)
--   'calendar', n, limit, start,  end        (milliseconds since 1970)
-- A counter is a string of pairs of numbers: its latest instant and the sum of its counts, then
-- each slice and its count, oldest first. A slice is a number of widths for a rolling window and
-- the window's start for one of the calendar. Only slices that no longer count are looked at, and
-- the last one: a full rolling window has 129 of them, and every take would pay for all.
--
-- Answers { 0, now, at ... }          the calendar's windows are not those of these instants
--         { 1, now, rule, at, used, fits, slice }   refused by this rule; fits when slice is gone
--         { 2, now, at, used, at, used ... }        counted
local ROLLING_EXTRA = 2      -- widths that a rolling slice may count beyond the length
local MARGIN = 300000        -- how long a count outlives its window, should the clock go back

local PAIR, SIZE = '<dd', 16

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local rules, elsewhere = {}, false
for i, key in ipairs(KEYS) do
    local a = 2 + (i - 1) * 5
    local rule = { n = tonumber(ARGV[a + 1]), limit = tonumber(ARGV[a + 2]) }
    local from, to = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
    rule.counts = redis.call('GET', key) or struct.pack(PAIR, 0, 0)
    local latest
    latest, rule.used = struct.unpack(PAIR, rule.counts)
    -- Never goes back: a clock that jumps must not open a window a second time.
    rule.at = math.max(now, latest)
    local ms = math.floor(rule.at / 1000)
    if ARGV[a] == 'rolling' then
        rule.slice = math.floor(ms / to)
        rule.reach = math.floor((ms - from) / to)
        rule.keep = from + ROLLING_EXTRA * to + MARGIN
    else
        rule.slice, rule.reach, rule.keep = from, from, to - ms + MARGIN
        elsewhere = elsewhere or ms < from or ms >= to
    end
    rules[i] = rule
end
if elsewhere then
    local answer = { 0, now }
    for i, rule in ipairs(rules) do answer[i + 2] = rule.at end
    return answer
end

for i, rule in ipairs(rules) do
    local counts, from = rule.counts, SIZE + 1
    while from < #counts do
        local slice, count = struct.unpack(PAIR, counts, from)
        if slice >= rule.reach then break end
        rule.used, from = rule.used - count, from + SIZE
    end
    rule.from = from
    -- Asking for nothing is no more than the rest of a limit that was lowered.
    if rule.n > math.max(rule.limit - rule.used, 0) then
        local left = rule.used
        while from < #counts do
            local slice, count = struct.unpack(PAIR, counts, from)
            left, from = left - count, from + SIZE
            if left + rule.n <= rule.limit then
                return { 1, now, i, rule.at, rule.used, 1, slice }
            end
        end
        return { 1, now, i, rule.at, rule.used, 0, 0 }
    end
end

local answer = { 2, now }
for i, rule in ipairs(rules) do
    local counts, to, n = rule.counts, #rule.counts, rule.n
    if rule.from < to then
        local slice, count = struct.unpack(PAIR, counts, to - SIZE + 1)
        if slice == rule.slice then n, to = n + count, to - SIZE end
    end
    local used = rule.used + rule.n
    counts = struct.pack(PAIR, rule.at, used) .. string.sub(counts, rule.from, to)
        .. struct.pack(PAIR, rule.slice, n)
    redis.call('SET', KEYS[i], counts, 'PX', string.format('%.0f', rule.keep))
    answer[#answer + 1] = rule.at
    answer[#answer + 1] = used
end
return answer
