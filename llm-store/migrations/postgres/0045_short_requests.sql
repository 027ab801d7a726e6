-- A row of the log is written with each call: what most calls have in common is not written any more.
-- Null for a call of one attempt that was answered whole and has nothing else to say. Otherwise, with
-- commas between them: attempts, stream, cache_read, cache_write, cache_write_1h, reasoning, audio_in,
-- audio_out, images, pieces, audio_ms, unknown (1: the tokens read are not known, 2: nor those written),
-- source (0 reported, 1 counted, 2 estimated), loss, credits, which may be empty.
ALTER TABLE request ADD COLUMN rest text;

UPDATE request SET rest = concat_ws(',', attempts, stream, cache_read, cache_write, cache_write_1h,
    reasoning, audio_in, audio_out, images, pieces, audio_ms, unknown, source, loss,
    coalesce(credits::text, ''));

ALTER TABLE request
    DROP COLUMN attempts,
    DROP COLUMN stream,
    DROP COLUMN cache_read,
    DROP COLUMN cache_write,
    DROP COLUMN cache_write_1h,
    DROP COLUMN reasoning,
    DROP COLUMN audio_in,
    DROP COLUMN audio_out,
    DROP COLUMN images,
    DROP COLUMN pieces,
    DROP COLUMN audio_ms,
    DROP COLUMN unknown,
    DROP COLUMN source,
    DROP COLUMN loss,
    DROP COLUMN credits;
