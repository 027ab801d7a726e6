-- Counts against every rule of an owner, or against none.
--
-- KEYS: one counter for each rule, no key twice.
-- ARGV: the time in microseconds, or '' for the server's own; then for each rule
--   'rolling',  n, limit, length, width      (milliseconds)
--   'calendar', n, limit, start,  end        (milliseconds since 1970)
-- A counter is { latest, slice, count, slice, count, ... }, packed, oldest slice first; a slice is
-- a number of widths for a rolling window and the window's start for one of the calendar.
--
-- Answers { 0, now, at ... }          the calendar's windows are not those of these instants
--         { 1, now, rule, at, used, fits, slice }   refused by this rule; fits when slice is gone
--         { 2, now, at, used, at, used ... }        counted
local ROLLING_EXTRA = 2      -- widths that a rolling slice may count beyond the length
local MARGIN = 300000        -- how long a count outlives its window, should the clock go back

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
    local packed = redis.call('GET', key)
    rule.counts = packed and cmsgpack.unpack(packed) or { 0 }
    -- Never goes back: a clock that jumps must not open a window a second time.
    rule.at = math.max(now, rule.counts[1])
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
    local counts, used = rule.counts, 0
    for s = 2, #counts, 2 do
        if counts[s] >= rule.reach then used = used + counts[s + 1] end
    end
    rule.used = used
    -- Asking for nothing is no more than the rest of a limit that was lowered.
    if rule.n > math.max(rule.limit - used, 0) then
        local left = used
        for s = 2, #counts, 2 do
            if counts[s] >= rule.reach then
                left = left - counts[s + 1]
                if left + rule.n <= rule.limit then
                    return { 1, now, i, rule.at, used, 1, counts[s] }
                end
            end
        end
        return { 1, now, i, rule.at, used, 0, 0 }
    end
end

local answer = { 2, now }
for i, rule in ipairs(rules) do
    local old, counts = rule.counts, { rule.at }
    for s = 2, #old, 2 do
        if old[s] >= rule.reach then
            counts[#counts + 1] = old[s]
            counts[#counts + 1] = old[s + 1]
        end
    end
    if #counts > 1 and counts[#counts - 1] == rule.slice then
        counts[#counts] = counts[#counts] + rule.n
    else
        counts[#counts + 1] = rule.slice
        counts[#counts + 1] = rule.n
    end
    redis.call('SET', KEYS[i], cmsgpack.pack(counts), 'PX', string.format('%.0f', rule.keep))
    answer[#answer + 1] = rule.at
    answer[#answer + 1] = rule.used + rule.n
end
return answer
