-- Every query has a name and a sentence. Names in braces are filled with identifiers or fragments of our own,
-- never with anything from a user.

-- pgvector_version --
-- The version of pgvector in this database.
SELECT extversion FROM pg_extension WHERE extname = 'vector';

-- server_facts --
-- What a server is, and how many more clients it takes.
SELECT current_setting('server_version') AS version,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS pgvector,
       current_setting('server_encoding') AS encoding,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS free_connections,
       (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder;

-- database_exists --
-- Whether a database of this name is there.
SELECT 1 FROM pg_database WHERE datname = %(name)s;

-- drop_database --
-- Remove a database that nobody is connected to; the server waits for five seconds for the last one to leave.
DROP DATABASE IF EXISTS {name};

-- drop_database_in_use --
-- Remove a database, whoever is connected.
DROP DATABASE IF EXISTS {name} WITH (FORCE);

-- make_live_row --
-- Where the first of several shards says which version is live on all of them, and which ones were begun.
CREATE SCHEMA IF NOT EXISTS shards;
CREATE TABLE IF NOT EXISTS shards.versions (
    token text PRIMARY KEY, shards integer NOT NULL, begun_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS shards.live (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), token text NOT NULL REFERENCES shards.versions
);

-- live_row --
-- The token of the version that is live on all shards, and how many these are.
SELECT token, shards FROM shards.live JOIN shards.versions USING (token);

-- begin_version --
-- Note a version before anything of it is made.
INSERT INTO shards.versions (token, shards) VALUES (%(token)s, %(shards)s);

-- versions_not_live --
-- Versions that are live no longer, or never were.
SELECT token, shards FROM shards.versions WHERE token NOT IN (SELECT token FROM shards.live) ORDER BY begun_at;

-- forget_version --
-- Nothing is left of it.
DELETE FROM shards.versions WHERE token = %(token)s;

-- make_live --
-- From now on this version is the live one, on all shards in one step.
INSERT INTO shards.live (token) VALUES (%(token)s) ON CONFLICT (is_only) DO UPDATE SET token = excluded.token;

-- space --
-- What the live version is made of; no such table where nothing was published.
SELECT embedder, model, revision, dim, preprocessing, index_kind, assets, english_captions, chinese_captions,
       views, content, published_at, trust, found
FROM live.spaces;

-- live_index --
-- Which kind of index the live version is asked by.
SELECT index_kind FROM live.spaces;

-- content --
-- Digest of what the live version was made from, and how many assets it has.
SELECT content, assets FROM live.spaces;

-- insert_space --
-- Describe the version that is being loaded.
INSERT INTO spaces (embedder, model, revision, dim, preprocessing, index_kind, assets, english_captions,
                    chinese_captions, views, content, world, schema_version)
SELECT %(embedder)s, %(model)s, %(revision)s, %(dim)s, %(preprocessing)s, %(index_kind)s,
       (SELECT count(*) FROM assets), (SELECT count(english_embedding) FROM text_embeddings),
       (SELECT count(chinese_embedding) FROM text_embeddings), (SELECT count(*) FROM image_embeddings),
       %(content)s, %(world)s, %(schema_version)s
RETURNING assets, english_captions, chinese_captions, views;

-- update_space --
-- Describe the live version after a change.
UPDATE spaces SET assets = (SELECT count(*) FROM assets), views = (SELECT count(*) FROM image_embeddings),
    english_captions = (SELECT count(english_embedding) FROM text_embeddings),
    chinese_captions = (SELECT count(chinese_embedding) FROM text_embeddings),
    content = %(content)s, published_at = now(), changed = changed + %(changed)s
RETURNING assets, english_captions, chinese_captions, views;

-- files_in_use --
-- What the assets of the live version show of the workspace.
SELECT DISTINCT model, view_folder FROM live.assets;

-- is_of_kind --
-- Whether the live version can be changed into what is to be published: it is of the same kind, with the same graphs.
SELECT FROM live.spaces
WHERE (embedder, model, revision, dim, preprocessing, index_kind, world)
    = (%(embedder)s, %(model)s, %(revision)s, %(dim)s, %(preprocessing)s, %(index_kind)s, %(world)s)
  AND (chinese_captions > 0) = %(chinese)s;

-- digests --
-- What each asset of the live version was made from.
SELECT asset_id, digest FROM live.assets;

-- labels --
-- The numbers that labels have.
SELECT number, field, value FROM labels;

-- remove_assets --
-- Take assets out of a table.
DELETE FROM {table} WHERE asset_id = ANY(%(ids)s);

-- empty --
-- Take everything out of a small table.
DELETE FROM {table};

-- store_plainly --
-- Keep vectors inside their rows: out of line they cost up to six times as much to read.
ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE PLAIN;

-- index_views_by_asset --
-- The second stage of a search reads all views of an asset.
CREATE INDEX image_embeddings_asset_id ON image_embeddings (asset_id);

-- make_word_texts --
-- Where texts wait to be turned into words.
CREATE TEMPORARY TABLE word_texts (asset_id text, names text[], english text, pairs text) ON COMMIT DROP;

-- turn_into_words --
-- English words as their stems, Chinese ones as the pairs that they were made into.
INSERT INTO asset_words
SELECT asset_id, names, to_tsvector('english', english) || to_tsvector('simple', pairs) FROM word_texts;

-- index_names --
-- What an asset is called is asked for as a whole.
CREATE INDEX ON asset_words USING gin (names);

-- index_words --
-- Words are asked for one by one.
CREATE INDEX ON asset_words USING gin (words);

-- index_labels --
-- Filters ask which assets have one of some labels.
CREATE INDEX ON {table} USING gin (labels);

-- index_number --
-- Filters ask which assets have a number within bounds.
CREATE INDEX ON {table} ({column});

-- index_order --
-- Pages of a catalogue are read in this order, or from its end.
CREATE INDEX ON listed ({column}, asset_id);

-- count_rows --
-- How many rows a table has.
SELECT count(*) FROM {table};

-- build_progress --
-- How many vectors are in the index that another connection builds.
SELECT tuples_done FROM pg_stat_progress_create_index WHERE pid = %(pid)s;

-- index_captions --
-- Nearest captions in one language; an asset without a caption in it stands with the other language's.
CREATE INDEX {name} ON text_embeddings USING hnsw ((coalesce({column}, {other})) halfvec_cosine_ops)
WITH (m = 32, ef_construction = 300);

-- index_centroids --
-- The first stage of a search among views.
CREATE INDEX asset_centroids_centroid ON asset_centroids USING hnsw (centroid halfvec_cosine_ops)
WITH (m = 32, ef_construction = 300);

-- mean_caption --
-- The mean of all captions.
SELECT avg(coalesce(english_embedding, chinese_embedding)::halfvec)::halfvec::text FROM text_embeddings;

-- mean_centroid --
-- The mean of all centroids.
SELECT avg(centroid::halfvec)::halfvec::text FROM asset_centroids;

-- make_bits --
-- One bit a dimension: on which side of the mean a vector lies.
CREATE FUNCTION {name}(halfvec) RETURNS bit({dim}) IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql
RETURN binary_quantize($1 - {mean}::halfvec)::bit({dim});

-- index_caption_bits --
-- Nearest captions by their bits.
CREATE INDEX {name} ON text_embeddings USING hnsw ((caption_bits(coalesce({column}, {other}))::bit({dim})) bit_hamming_ops)
WITH (m = 32, ef_construction = 300);

-- index_centroid_bits --
-- Nearest centroids by their bits.
CREATE INDEX asset_centroids_centroid ON asset_centroids USING hnsw ((centroid_bits(centroid)::bit({dim})) bit_hamming_ops)
WITH (m = 32, ef_construction = 300);

-- filter --
-- Keeps the rows whose asset passes; follows the name of a table that has labels and numbers.
WHERE {conditions};

-- filter_words --
-- The same for the words, whose assets have them in the catalogue, whether they have vectors or not.
AND asset_id IN (SELECT asset_id FROM listed WHERE {conditions});

-- filter_views --
-- The same for the views, whose assets have them.
WHERE asset_id IN (SELECT asset_id FROM asset_centroids WHERE {conditions});

-- condition_label --
-- The asset has one of the labels.
labels && {labels}::integer[];

-- condition_number --
-- The number is there and within its bounds.
{column} BETWEEN coalesce({minimum}::real, '-infinity') AND coalesce({maximum}::real, 'infinity');

-- condition_words --
-- The words of the asset hold all phrases.
asset_id IN (SELECT asset_id FROM asset_words WHERE words @@ %(phrases)s::tsquery);

-- count_phrases --
-- All phrases as one, and how many assets have them, counted no further than the bound. In a phrase words stand one
-- after the other: English by stems, Chinese by pairs of characters, of which a single last one may begin any pair. A
-- phrase of words that say nothing ("the") passes all: no word of an asset is written in capitals.
WITH asked AS MATERIALIZED (
    SELECT string_agg(DISTINCT '(' || coalesce(nullif(
        phraseto_tsquery('english', latin)
        && to_tsquery('simple', regexp_replace(replace(pairs, ' ', ' <-> '), '(^| )(.)$', '\1\2:*')),
        ''::tsquery), '!NOTHING'::tsquery)::text || ')', ' & ') AS phrases
    FROM unnest(%(latin)s::text[], %(pairs)s::text[]) AS phrase (latin, pairs)
)
SELECT phrases, (SELECT count(*) FROM (
    SELECT FROM asset_words WHERE words @@ (SELECT phrases::tsquery FROM asked) LIMIT %(bound)s
) AS matching) AS assets
FROM asked;

-- condition_not --
-- All but these, among them those of which nothing is known.
({condition}) IS NOT TRUE;

-- labels_named --
-- Number and count of the labels that a filter names.
SELECT field, value, number, assets FROM labels
WHERE (field, value) IN (SELECT * FROM unnest(%(fields)s::text[], %(values)s::text[]));

-- percentiles --
-- The distribution of each number that assets are filtered by.
SELECT field, edges, assets FROM percentiles;

-- ranked --
-- The end of every search: assets that are named, then the nearest, best first, equal ones by id; and of which version
-- they are, also where there are none.
SELECT content, near.asset_id, 1 - near.distance AS score, near.viewpoint_id, {named} AS is_named,
       {candidates} AS candidates
FROM spaces LEFT JOIN near ON true
ORDER BY is_named DESC, near.distance, near.asset_id;

-- is_named --
-- Whether the words that are asked for are a whole name or caption of the asset.
near.is_named;

-- shown --
-- All that is known of some assets; and of which version they are, also where there are none.
SELECT content, asset.*
FROM spaces LEFT JOIN LATERAL (
    SELECT asset_id, captions_english, captions_chinese, model, view_folder, viewpoint_ids, attributes, digest
    FROM assets WHERE asset_id = ANY(%(ids)s)
) AS asset ON true;

-- count_candidates --
-- How many assets the index has passed on: fewer than were asked for where its scan ended early.
(SELECT count(*) FROM candidates);

-- set_search --
-- How many nodes this connection's searches of a graph keep, and how its statements are planned.
SELECT set_config('hnsw.ef_search', %(ef)s, false), set_config('plan_cache_mode', %(plan)s, false),
       set_config('enable_sort', %(sort)s, false), set_config('enable_indexscan', %(singly)s, false);

-- no_time_limit --
-- What this connection asks may take as long as it takes.
SET statement_timeout = 0;

-- prewarm --
-- Read what searches need into the server's memory, indexes and then the views first; what has no room in it into the
-- system's, as far as the server thinks that is large; nothing beyond, for it would only take the place of the rest.
WITH relations AS (
    SELECT oid, pg_relation_size(oid) AS size,
           sum(pg_relation_size(oid)) OVER (
               ORDER BY relkind = 'r', NOT starts_with(relname::text, 'image_embeddings'), relname
           ) AS total
    FROM pg_class WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'i')
), room AS (
    SELECT pg_size_bytes(current_setting('shared_buffers')) AS server,
           greatest(pg_size_bytes(current_setting('shared_buffers')),
                    pg_size_bytes(current_setting('effective_cache_size'))) AS machine,
           current_setting('block_size')::bigint AS page
)
SELECT pg_prewarm(oid, CASE WHEN total <= server THEN 'buffer' ELSE 'read' END, 'main', 0,
                  CASE WHEN total > machine THEN div(size + machine - total, page)::bigint - 1 END)
FROM relations CROSS JOIN room
WHERE size + machine - total >= page AND size >= page
ORDER BY total;

-- tunings --
-- How widely the live version's indexes are to be asked.
SELECT target, kind, goal, lost_goal, ef, candidates, recall, recall_at_least, share_lost, lost_at_most, worst, p50_ms, queries,
       tuned_at
FROM live.tunings;

-- keep_tuning --
-- Note what was measured, unless another version is live by now.
INSERT INTO live.tunings (target, kind, goal, lost_goal, ef, candidates, recall, recall_at_least, share_lost,
                          lost_at_most, worst, p50_ms, queries, tuned_at)
SELECT %(target)s, %(kind)s, %(goal)s, %(lost_goal)s, %(ef)s, %(candidates)s, %(recall)s, %(recall_at_least)s,
       %(share_lost)s, %(lost_at_most)s, %(worst)s, %(p50_ms)s, %(queries)s, %(tuned_at)s
FROM live.spaces WHERE content = %(content)s
ON CONFLICT (target, kind) DO UPDATE SET
    (goal, lost_goal, ef, candidates, recall, recall_at_least, share_lost, lost_at_most, worst, p50_ms, queries,
     tuned_at) =
    (excluded.goal, excluded.lost_goal, excluded.ef, excluded.candidates, excluded.recall, excluded.recall_at_least,
     excluded.share_lost, excluded.lost_at_most, excluded.worst, excluded.p50_ms, excluded.queries,
     excluded.tuned_at)
RETURNING target;

-- tunings_of_kind --
-- What was measured of a version, where it is of the same kind.
SELECT tunings.* FROM live.tunings, live.spaces
WHERE (embedder, model, revision, dim, preprocessing, index_kind)
    = (%(embedder)s, %(model)s, %(revision)s, %(dim)s, %(preprocessing)s, %(index_kind)s);

-- inherit_tunings --
-- What was measured on the live version holds for the next one, until it is measured anew.
INSERT INTO tunings SELECT tunings.* FROM live.tunings, live.spaces
WHERE (embedder, model, revision, dim, preprocessing, index_kind)
    = (%(embedder)s, %(model)s, %(revision)s, %(dim)s, %(preprocessing)s, %(index_kind)s);

-- sample_captions --
-- Caption vectors of assets taken at random, the same at each call.
SELECT asset_id, coalesce(english_embedding, chinese_embedding)::halfvec AS vector
FROM text_embeddings ORDER BY md5(asset_id) LIMIT %(count)s;

-- sample_views --
-- A view of each of some assets taken at random, the same at each call.
SELECT taken.asset_id, one.vector
FROM (SELECT asset_id FROM asset_centroids ORDER BY md5(asset_id) LIMIT %(count)s) AS taken CROSS JOIN LATERAL (
    SELECT embedding::halfvec AS vector FROM image_embeddings WHERE image_embeddings.asset_id = taken.asset_id
    ORDER BY md5(asset_id || coalesce(viewpoint_id, 0)) LIMIT 1
) AS one;

-- fill_background --
-- Assets that stand for all: taken at random, and the same ones as long as they are there.
INSERT INTO background
(SELECT asset_id FROM text_embeddings ORDER BY md5(asset_id) LIMIT %(assets)s)
UNION
(SELECT asset_id FROM asset_centroids ORDER BY md5(asset_id) LIMIT %(assets)s);

-- background_ranks --
-- Which assets of the background have captions, and which have views.
SELECT asset_id, EXISTS (SELECT FROM text_embeddings WHERE text_embeddings.asset_id = background.asset_id) AS captions,
       EXISTS (SELECT FROM asset_centroids WHERE asset_centroids.asset_id = background.asset_id) AS views
FROM background;

-- keep_background --
-- Leave only some assets in the background.
DELETE FROM background WHERE asset_id <> ALL(%(ids)s);

-- tell_totals --
-- Let one shard's part of a version describe the whole of it.
UPDATE spaces SET assets = %(assets)s, english_captions = %(english_captions)s,
    chinese_captions = %(chinese_captions)s, views = %(views)s;

-- background_captions --
-- Caption vectors of the background, as searches in either language see them.
SELECT asset_id, coalesce(english_embedding, chinese_embedding)::halfvec AS english_embedding,
       coalesce(chinese_embedding, english_embedding)::halfvec AS chinese_embedding
FROM text_embeddings JOIN background USING (asset_id)
ORDER BY asset_id;

-- background_views --
-- Views of some assets of the background, at most eight of each.
SELECT asset_id, viewpoint_id, vector
FROM (
    SELECT asset_id FROM asset_centroids JOIN background USING (asset_id) ORDER BY md5(asset_id) LIMIT %(assets)s
) AS taken CROSS JOIN LATERAL (
    SELECT viewpoint_id, embedding::halfvec AS vector
    FROM image_embeddings WHERE image_embeddings.asset_id = taken.asset_id
    ORDER BY md5(viewpoint_id::text) LIMIT 8
) AS view
ORDER BY asset_id, md5(viewpoint_id::text);

-- world --
-- Words that queries may be about, as queries.
SELECT text, language, vector::halfvec AS vector FROM world;

-- content_seen --
-- Digest of the version that this connection reads, live or not.
SELECT content FROM spaces;

-- world_here --
-- Which of some words assets have; each is given as the query on words takes it.
SELECT number FROM unnest(%(latin)s::text[], %(pairs)s::text[], %(single)s::text[])
    WITH ORDINALITY AS word (latin, pairs, single, number)
WHERE EXISTS (
    SELECT FROM asset_words
    WHERE words @@ (plainto_tsquery('english', latin) && plainto_tsquery('simple', pairs) && to_tsquery('simple', single))
);

-- calibrations --
-- How the scores of the live version are to be read.
SELECT target, kind, fair, strong, queries FROM live.calibrations;

-- keep_calibration --
-- Note how scores are to be read.
INSERT INTO calibrations (target, kind, fair, strong, queries)
VALUES (%(target)s, %(kind)s, %(fair)s, %(strong)s, %(queries)s);

-- keep_trust --
-- Note how far cross-modal scores may be trusted.
UPDATE spaces SET trust = %(trust)s, found = %(found)s;

-- changed --
-- How many assets of the live version were changed in place.
SELECT changed FROM live.spaces;

-- caption_scores --
-- Cosines of some assets' captions.
SELECT asset_id, 1 - (coalesce({column}, {other}) <=> %(vector)s::halfvec) AS score, NULL::smallint AS viewpoint_id,
       false AS is_named
FROM text_embeddings WHERE asset_id = ANY(%(ids)s);

-- view_scores --
-- Cosines of some assets' best views.
SELECT DISTINCT ON (asset_id) asset_id, 1 - distance AS score, viewpoint_id, false AS is_named
FROM (
    SELECT asset_id, viewpoint_id, embedding <=> %(vector)s::halfvec AS distance
    FROM image_embeddings WHERE asset_id = ANY(%(ids)s)
) AS view
ORDER BY asset_id, distance, viewpoint_id;

-- likeness --
-- Caption vectors of some assets, by which it is told how alike they are, as one value: a search asks for fifty.
SELECT array_agg(asset_id) AS ids,
       string_agg(halfvec_send(coalesce(english_embedding, chinese_embedding)::halfvec), ''::bytea) AS vectors
FROM text_embeddings WHERE asset_id = ANY(%(ids)s);

-- captions_exact --
-- Nearest captions by comparing with every one that passes the filter.
WITH near AS (
    SELECT asset_id, distance, NULL::smallint AS viewpoint_id
    FROM (
        SELECT asset_id, coalesce({column}, {other}) <=> %(vector)s::halfvec AS distance
        FROM text_embeddings {filter}
        OFFSET 0
    ) AS every_caption
    ORDER BY distance, asset_id
    LIMIT %(limit)s
)
{ranked};

-- pages --
-- How many pages a table has.
SELECT pg_relation_size({table}::regclass) / current_setting('block_size')::bigint AS pages;

-- caption_or_other --
-- The caption vector that is compared, as every search does it.
coalesce({column}, {other});

-- vectors_in_pages --
-- The vectors in some pages of a table, one after the other as each is sent, whose they are, and of which version.
SELECT content, block.* FROM spaces CROSS JOIN LATERAL (
    SELECT array_agg(asset_id) AS ids, string_agg(halfvec_send({vector}), ''::bytea) AS vectors
    FROM {table} WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND {vector} IS NOT NULL
) AS block;

-- captions_hnsw --
-- Nearest captions by the index; the scan goes on until enough of them pass the filter.
WITH candidates AS MATERIALIZED (
    SELECT asset_id, coalesce({column}, {other}) <=> %(vector)s::halfvec AS distance
    FROM text_embeddings {filter}
    ORDER BY coalesce({column}, {other}) <=> %(vector)s::halfvec
    LIMIT %(candidates)s
), near AS MATERIALIZED (
    SELECT asset_id, distance + 0 AS distance, NULL::smallint AS viewpoint_id
    FROM candidates
    ORDER BY distance + 0, asset_id
    LIMIT %(limit)s
)
{ranked_candidates};

-- captions_binary --
-- Nearest captions by their bits, then by all of their vectors.
WITH candidates AS MATERIALIZED (
    SELECT asset_id, coalesce({column}, {other}) <=> %(vector)s::halfvec AS distance
    FROM text_embeddings {filter}
    ORDER BY caption_bits(coalesce({column}, {other}))::bit({dim}) <~> caption_bits(%(vector)s::halfvec)
    LIMIT 4 * %(candidates)s
), near AS MATERIALIZED (
    SELECT asset_id, distance, NULL::smallint AS viewpoint_id
    FROM candidates
    ORDER BY distance, asset_id
    LIMIT %(limit)s
)
{ranked_candidates};

-- views_binary --
-- Nearest centroids by their bits, the nearest of these by all of their vectors, then every view of those assets.
WITH scanned AS MATERIALIZED (
    SELECT asset_id, centroid <=> %(vector)s::halfvec AS distance
    FROM asset_centroids {filter}
    ORDER BY centroid_bits(centroid)::bit({dim}) <~> centroid_bits(%(vector)s::halfvec)
    LIMIT 4 * %(candidates)s
), candidates AS MATERIALIZED (
    SELECT asset_id FROM scanned ORDER BY distance, asset_id LIMIT %(candidates)s
), near AS MATERIALIZED ({best_views})
{ranked_candidates};

-- truncate --
-- Take everything out of a table at once.
TRUNCATE {table};

-- make_numbered --
-- Where assets that have vectors get numbers.
CREATE TEMPORARY TABLE numbered (
    asset_id text PRIMARY KEY, hash bigint, number integer, labels integer[], faces real, width real, depth real,
    height real
) ON COMMIT DROP;

-- number_assets --
-- Number all of them, or only some, in the order that their captions lie in, then their views: who is numbered one after
-- the other is near.
INSERT INTO numbered
SELECT asset_id, hashtextextended(asset_id, 0), %(first)s + row_number() OVER () - 1,
       labels, faces, width, depth, height
FROM (
    SELECT asset_id, labels, faces, width, depth, height FROM text_embeddings
    WHERE %(only)s::text[] IS NULL OR asset_id = ANY(%(only)s::text[])
    UNION ALL
    SELECT asset_id, labels, faces, width, depth, height FROM asset_centroids
    WHERE (%(only)s::text[] IS NULL OR asset_id = ANY(%(only)s::text[]))
      AND NOT EXISTS (SELECT FROM text_embeddings WHERE text_embeddings.asset_id = asset_centroids.asset_id)
) AS every_one;

-- index_numbered --
-- They are read by their numbers.
CREATE INDEX ON numbered (number);

-- numbered_assets --
-- What codes say of some assets.
SELECT asset_id, hash, labels, faces, width, depth, height FROM numbered
WHERE number BETWEEN %(first)s AND %(last)s ORDER BY number;

-- numbered_vectors --
-- Numbers and vectors of some assets, or of each so many, as one value: a row for each would take ten times as long.
SELECT string_agg(int4send(number) || halfvec_send(coalesce({table}.{column}, {table}.{other})), ''::bytea)
FROM numbered JOIN {table} USING (asset_id)
WHERE number BETWEEN %(first)s AND %(last)s AND mod(number, %(step)s) = 0
  AND coalesce({table}.{column}, {table}.{other}) IS NOT NULL;

-- count_views --
-- How many views the version that is being made says it has.
SELECT views FROM spaces;

-- numbered_views --
-- Numbers of assets and vectors of their views, of those in some pages, as they lie there.
COPY (
    SELECT (SELECT number FROM numbered WHERE numbered.asset_id = image_embeddings.asset_id), embedding
    FROM image_embeddings WHERE ctid >= {first}::tid AND ctid < {last}::tid
) TO STDOUT (FORMAT binary);

-- numbered_views_of --
-- The same of some assets.
COPY (
    SELECT number, embedding FROM numbered JOIN image_embeddings USING (asset_id) WHERE number BETWEEN {first} AND {last}
) TO STDOUT (FORMAT binary);

-- hashes_of --
-- Ids as codes tell them.
SELECT array_agg(hashtextextended(asset_id, 0)) FROM unnest(%(ids)s::text[]) AS asked (asset_id);

-- add_codes --
-- One block of a part.
INSERT INTO codes (edition, part, block, content) VALUES (%(edition)s, %(part)s, %(block)s, %(content)s);

-- code_blocks --
-- A part of all editions.
SELECT content FROM codes WHERE part = %(part)s ORDER BY edition, block;

-- last_edition --
-- How often the version was changed in place.
SELECT max(edition) FROM codes;

-- codes_told --
-- Of which version the codes are, also where there are none, and how large each part of each edition is.
SELECT spaces.content AS version, sizes.edition, sizes.part, sizes.bytes,
       CASE WHEN sizes.part = 'identity' THEN (
           SELECT content FROM codes WHERE codes.edition = sizes.edition AND codes.part = 'identity'
       ) END AS identity
FROM spaces LEFT JOIN (
    SELECT edition, part, sum(octet_length(content))::bigint AS bytes FROM codes GROUP BY edition, part
) AS sizes ON true
ORDER BY sizes.edition;

-- codes_now --
-- Which codes are live: of two versions of the same content, labels may have other numbers.
SELECT (SELECT content FROM codes WHERE edition = 0 AND part = 'identity') AS identity,
       (SELECT max(edition) FROM codes) AS edition
FROM spaces;

-- standing --
-- What is live here, by which replicas are compared with their primary.
SELECT content, published_at, (SELECT content FROM codes WHERE edition = 0 AND part = 'identity') AS identity,
       (SELECT max(edition) FROM codes) AS edition
FROM spaces;

-- codes_read --
-- All blocks of some editions, each part's one after the other; and of which version they are, also where there are none.
SELECT spaces.content AS version, codes.part, codes.content
FROM spaces LEFT JOIN codes
    ON codes.edition BETWEEN %(first)s AND %(last)s AND codes.part <> ALL(%(without)s::text[])
ORDER BY codes.part, codes.edition, codes.block;

-- hashes_with_words --
-- The assets whose words hold all phrases, as codes tell them, in one value; and of which version they are.
SELECT spaces.content, (
    SELECT string_agg(int8send(hashtextextended(asset_id, 0)), ''::bytea)
    FROM asset_words WHERE words @@ %(phrases)s::tsquery
) AS hashes
FROM spaces;

-- captions_of_candidates --
-- Nearest captions among those of some assets.
WITH near AS (
    SELECT asset_id, distance, NULL::smallint AS viewpoint_id
    FROM (
        SELECT asset_id, coalesce({column}, {other}) <=> %(vector)s::halfvec AS distance
        FROM text_embeddings WHERE asset_id = ANY(%(ids)s)
        OFFSET 0
    ) AS every_candidate
    ORDER BY distance, asset_id
    LIMIT %(limit)s
)
{ranked};

-- views_of_candidates --
-- Some assets by their best view; not one after the other, so that the server can fetch many pages at a time.
WITH near AS MATERIALIZED (
    SELECT asset_id, distance, viewpoint_id
    FROM (
        SELECT DISTINCT ON (asset_id) asset_id, distance, viewpoint_id
        FROM (
            SELECT asset_id, viewpoint_id, embedding <=> %(vector)s::halfvec AS distance
            FROM image_embeddings WHERE asset_id = ANY(%(ids)s)
            OFFSET 0
        ) AS every_view
        ORDER BY asset_id, distance, viewpoint_id
    ) AS best
    ORDER BY distance, asset_id
    LIMIT %(limit)s
)
{ranked};

-- views_exact --
-- Nearest assets by their best view, comparing with every view that passes the filter.
WITH near AS (
    SELECT asset_id, distance, viewpoint_id
    FROM (
        SELECT DISTINCT ON (asset_id) asset_id, distance, viewpoint_id
        FROM (
            SELECT asset_id, viewpoint_id, embedding <=> %(vector)s::halfvec AS distance
            FROM image_embeddings {filter_views}
            OFFSET 0
        ) AS every_view
        ORDER BY asset_id, distance, viewpoint_id
    ) AS best
    ORDER BY distance, asset_id
    LIMIT %(limit)s
)
{ranked};

-- views_of_matching --
-- Nearest assets by their best view among the few that pass the filter: their centroids are compared one by one.
WITH candidates AS MATERIALIZED (
    SELECT asset_id
    FROM (
        SELECT asset_id, centroid <=> %(vector)s::halfvec AS distance
        FROM asset_centroids {filter}
        OFFSET 0
    ) AS matching
    ORDER BY distance, asset_id
    LIMIT %(candidates)s
), near AS ({best_views})
{ranked};

-- views_two_stage --
-- Nearest centroids by the index, then every view of those assets exactly.
WITH candidates AS MATERIALIZED (
    SELECT asset_id
    FROM asset_centroids {filter}
    ORDER BY centroid <=> %(vector)s::halfvec
    LIMIT %(candidates)s
), near AS MATERIALIZED ({best_views})
{ranked_candidates};

-- best_views --
-- The second stage: the best view of each candidate.
SELECT candidates.asset_id, best.distance, best.viewpoint_id
FROM candidates CROSS JOIN LATERAL (
    SELECT viewpoint_id, embedding <=> %(vector)s::halfvec AS distance
    FROM image_embeddings
    WHERE image_embeddings.asset_id = candidates.asset_id
    ORDER BY distance, viewpoint_id
    LIMIT 1
) AS best
ORDER BY best.distance, candidates.asset_id
LIMIT %(limit)s;

-- words --
-- Assets that have all words, best first; of a word that very many have, the first so many that are found.
-- Those that are called just so come first, however many have the words.
WITH asked AS MATERIALIZED (
    SELECT plainto_tsquery('english', %(latin)s) && plainto_tsquery('simple', %(pairs)s)
           && to_tsquery('simple', %(single)s) AS words
), matching AS MATERIALIZED (
    (SELECT asset_id, asset_words.words, true AS is_named FROM asset_words
     WHERE names @> ARRAY[%(name)s::text] {filter_words}
     LIMIT %(bound)s)
    UNION ALL
    (SELECT asset_id, asset_words.words, false FROM asset_words
     WHERE words @@ (SELECT asked.words FROM asked) AND NOT names @> ARRAY[%(name)s::text] {filter_words}
     LIMIT %(bound)s)
), near AS (
    SELECT asset_id, 1 - ts_rank(matching.words, asked.words, 1) AS distance, NULL::smallint AS viewpoint_id, is_named
    FROM matching, asked
    ORDER BY is_named DESC, distance, asset_id
    LIMIT %(limit)s
)
{ranked_words};

-- words_among --
-- Which of some assets have all words.
SELECT asset_id FROM asset_words
WHERE asset_id = ANY(%(ids)s)
  AND words @@ (plainto_tsquery('english', %(latin)s) && plainto_tsquery('simple', %(pairs)s)
                && to_tsquery('simple', %(single)s));

-- asset --
-- One asset with all that is known of it.
SELECT asset_id, captions_english, captions_chinese, model, view_folder, viewpoint_ids, attributes, digest
FROM assets WHERE asset_id = %(asset_id)s;

-- one --
-- An asset by its id, where it passes.
WITH near AS (
    SELECT asset_id, 0.0::double precision AS distance, NULL::smallint AS viewpoint_id
    FROM assets WHERE asset_id = %(asset_id)s {filter_words}
)
{ranked};

-- own_vectors --
-- The caption vector and the mean view of one asset, cast so that their type is the same after a publication with
-- another dimension.
SELECT 'caption' AS target, coalesce(english_embedding, chinese_embedding)::halfvec AS vector
FROM text_embeddings WHERE asset_id = %(asset_id)s
UNION ALL
SELECT 'appearance', centroid::halfvec FROM asset_centroids WHERE asset_id = %(asset_id)s;

-- sizes --
-- Width, depth and height of some assets in centimetres, once for each of their vectors.
SELECT asset_id, width, depth, height FROM text_embeddings WHERE asset_id = ANY(%(ids)s)
UNION ALL
SELECT asset_id, width, depth, height FROM asset_centroids WHERE asset_id = ANY(%(ids)s);

-- centroids --
-- The mean views of some assets, likewise as one value.
SELECT array_agg(asset_id) AS ids, string_agg(halfvec_send(centroid::halfvec), ''::bytea) AS vectors
FROM asset_centroids WHERE asset_id = ANY(%(ids)s);

-- known_as --
-- The assets that have one of these ids or names.
SELECT asset_id, attributes->>'name' AS name FROM assets
WHERE asset_id = ANY(%(names)s) OR attributes->>'name' = ANY(%(names)s)
ORDER BY asset_id;

-- with_uids --
-- The assets that have one of these Objaverse uids: as their attribute, or as the last part of their id.
SELECT asset_id, COALESCE(attributes->>'objaverse_uid', regexp_replace(asset_id, '^.*/', '')) AS uid FROM assets
WHERE COALESCE(attributes->>'objaverse_uid', regexp_replace(asset_id, '^.*/', '')) = ANY(%(uids)s)
ORDER BY asset_id;

-- facet --
-- The values of one field with their counts, most frequent first.
SELECT value, assets AS count FROM labels WHERE field = %(field)s ORDER BY assets DESC, value LIMIT %(limit)s;

-- listed --
-- A part of a catalogue in its order, of assets that have what it is sorted by, or of those that have not; and of which
-- version they are, also where there are none.
SELECT content, page.asset_id, page.key, page.added
FROM spaces LEFT JOIN LATERAL (
    SELECT asset_id, {column} AS key, added FROM listed
    WHERE {column} {known} {after} {passing}
    ORDER BY {column} {direction}, asset_id {direction}
    LIMIT %(limit)s
) AS page ON true
ORDER BY page.key {direction}, page.asset_id {direction};

-- also_passing --
-- Keeps the rows of a table that has labels and numbers whose asset passes; follows another condition.
AND {conditions};

-- after_known --
-- Behind one asset, among those that have what is sorted by.
AND ({column}, asset_id) {beyond} (%(key)s::{type}, %(asset_id)s::text);

-- after_unknown --
-- Behind one asset, among those that have not.
AND asset_id {beyond} %(asset_id)s::text;

-- count_listed --
-- How many assets pass; and of which version.
SELECT content, (SELECT count(*) FROM listed {filter}) AS assets FROM spaces;

-- label_counts --
-- The most frequent values of some fields in the whole library.
SELECT content, counts.field, counts.value, counts.assets
FROM spaces LEFT JOIN LATERAL (
    SELECT asked.field, most.value, most.assets
    FROM unnest(%(fields)s::text[]) AS asked (field) CROSS JOIN LATERAL (
        SELECT value, assets FROM labels WHERE labels.field = asked.field
        ORDER BY assets DESC, value COLLATE "C" LIMIT %(limit)s
    ) AS most
) AS counts ON true;

-- facets_passing --
-- Those that are counted: all that pass, or of very many a part, chosen by their ids alone.
WHERE hashtextextended(asset_id, 0) & %(mask)s::bigint = 0 {passing};

-- facets_among --
-- Those that are counted: some that are named, as one of several lots.
WHERE asset_id = ANY(lots.ids);

-- fields_of_all --
-- What is counted of them.
%(fields)s::text[];

-- fields_of_lot --
-- What is counted of one of several lots.
lots.fields;

-- facets --
-- How many assets are counted (the row without a field), how many have each value of some fields, and into which classes
-- their numbers fall; and of which version.
WITH passing AS MATERIALIZED (
    SELECT labels, faces, width, depth, height FROM listed {among}
), counts AS (
    SELECT NULL::text AS field, NULL::text AS value, NULL::real AS least, NULL::real AS most, count(*) AS assets
    FROM passing
    UNION ALL
    SELECT labels.field, labels.value, NULL, NULL, held.assets
    FROM (SELECT number, count(*) AS assets FROM passing, unnest(passing.labels) AS number GROUP BY number) AS held
    JOIN labels USING (number)
    WHERE labels.field = ANY({fields})
    UNION ALL
    SELECT figures.field, NULL, min(figures.value), max(figures.value), count(*)
    FROM passing CROSS JOIN LATERAL (
        VALUES ('faces', faces), ('width', width), ('depth', depth), ('height', height)
    ) AS figures (field, value)
    WHERE figures.field = ANY({fields}) AND figures.value IS NOT NULL
    GROUP BY figures.field, width_bucket(figures.value::double precision, %(edges)s::double precision[])
)
SELECT content, counts.* FROM spaces CROSS JOIN counts;

-- facets_of_lots --
-- The same of several lots of assets, of each for fields of its own; each list holds those of all lots.
SELECT lots.lot, told.*
FROM (
    SELECT lot, (%(ids)s::text[])[first_id:last_id] AS ids, (%(fields)s::text[])[first_field:last_field] AS fields
    FROM unnest(
        %(first_ids)s::integer[], %(last_ids)s::integer[], %(first_fields)s::integer[], %(last_fields)s::integer[]
    ) WITH ORDINALITY AS places (first_id, last_id, first_field, last_field, lot)
    OFFSET 0  -- so that each list is cut out once
) AS lots CROSS JOIN LATERAL (
    {facets}
) AS told;

-- schema_version --
-- The number of the live version's tables.
SELECT schema_version FROM live.spaces;

-- lock_creating --
-- Only one process at a time creates databases; ends with the session.
SELECT pg_advisory_lock(hashtext('meshseek create'));

-- lock_publishing --
-- Only one process publishes an algorithm at a time; ends with the session.
SELECT pg_try_advisory_lock(hashtext('meshseek publish'));

-- unlock_publishing --
-- The next one may: a server ends a session some time after its connection was closed.
SELECT pg_advisory_unlock(hashtext('meshseek publish'));

-- live_namespace --
-- Which schema is the live version now: its number stays when it gets another name.
SELECT to_regnamespace('live')::oid::bigint;

-- live_tables --
-- The tables of the live version.
SELECT relname::text FROM pg_class WHERE relnamespace = 'live'::regnamespace AND relkind = 'r' ORDER BY relname;

-- hold_table --
-- Keep a table of the live version from being dropped or changed in its form until the transaction ends.
LOCK TABLE live.{table} IN ACCESS SHARE MODE;

-- name_held_table --
-- A name of this transaction's own for a table of the live version, which still means that table when another is live.
CREATE TEMPORARY VIEW {name} AS SELECT * FROM live.{table};

-- held_columns --
-- The columns of what such a name stands for.
SELECT attname::text FROM pg_attribute
WHERE attrelid = ('pg_temp.' || quote_ident(%(name)s::text))::regclass AND attnum > 0 ORDER BY attnum;

-- held_space --
-- How the version describes itself.
SELECT to_jsonb(spaces.*) FROM {name} AS spaces;

-- part_bounds --
-- Assets after which a part of the version ends: always the same ones, whatever comes and goes between them.
SELECT asset_id FROM {name} WHERE hashtext(asset_id) & 255 = 0 ORDER BY asset_id;

-- copy_part --
-- The rows of some assets, in an order that is always the same.
COPY (
    SELECT * FROM {name}
    WHERE (%(after)s::text IS NULL OR asset_id > %(after)s::text) AND (%(last)s::text IS NULL OR asset_id <= %(last)s::text)
    ORDER BY {order}
) TO STDOUT (FORMAT BINARY);

-- copy_whole --
-- All rows of a small table.
COPY (SELECT * FROM {name} ORDER BY 1) TO STDOUT (FORMAT BINARY);

-- copy_in --
-- Rows as they were copied out.
COPY {table} ({columns}) FROM STDIN (FORMAT BINARY, FREEZE);

-- identity --
-- What a version was made from and when, as text that is the same wherever it is.
SELECT content, to_char(published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') FROM {spaces};

-- drop_schema --
-- Remove a version that nobody sees any more, or one that was never finished.
DROP SCHEMA IF EXISTS {schema} CASCADE;

-- create_schema --
-- Room for a new version.
CREATE SCHEMA {schema};

-- rename_schema --
-- Change what a version is: incoming, live or retired.
ALTER SCHEMA {schema} RENAME TO {new_name};

-- schema_exists --
-- Whether a version is there.
SELECT to_regnamespace(%(schema)s) IS NOT NULL;

-- use_schema --
-- Names without a schema mean this version.
SELECT set_config('search_path', %(schemas)s, false);

-- analyze --
-- Let the planner know the new version.
ANALYZE {table};
