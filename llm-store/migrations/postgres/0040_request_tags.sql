-- Calls with labels, in the log's order: few have any, and looking for one reads no others.

CREATE INDEX request_tagged ON request (at, id) WHERE tags IS NOT NULL;
