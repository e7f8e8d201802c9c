-- One published version of one algorithm. {dim} is the length of its vectors.
-- A change here needs another number in schema.py, by which readers tell versions that were published without it.

-- digest: of all that was published of the asset, by which a change is known.
CREATE TABLE assets (
    asset_id text PRIMARY KEY,
    captions_english text[] NOT NULL,
    captions_chinese text[] NOT NULL,
    model text,
    view_folder text,
    viewpoint_ids smallint[] NOT NULL,
    attributes jsonb NOT NULL,
    digest text NOT NULL DEFAULT ''
);

-- Labels and numbers of an asset stand beside its vectors: a filter that had to look elsewhere would cost more than
-- the comparison itself.
CREATE TABLE text_embeddings (
    asset_id text PRIMARY KEY,
    english_embedding halfvec({dim}),
    chinese_embedding halfvec({dim}),
    embedding_dim integer NOT NULL,
    labels integer[] NOT NULL DEFAULT '{{}}',
    faces real,
    width real,
    depth real,
    height real
);

-- viewpoint_id is null where one vector stands for all views of an asset.
CREATE TABLE image_embeddings (
    asset_id text NOT NULL,
    viewpoint_id smallint,
    embedding halfvec({dim}) NOT NULL,
    embedding_dim integer NOT NULL
);

-- spread: 1 minus the length of the mean of an asset's unit view vectors; 0 where all views are alike.
CREATE TABLE asset_centroids (
    asset_id text PRIMARY KEY,
    centroid halfvec({dim}) NOT NULL,
    spread real NOT NULL,
    labels integer[] NOT NULL DEFAULT '{{}}',
    faces real,
    width real,
    depth real,
    height real
);

-- What full text searches find an asset by: its id, names, tags and captions.
-- names: its name, its captions, and what stands in these before the first comma, in small letters; no long ones.
CREATE TABLE asset_words (
    asset_id text PRIMARY KEY,
    names text[] NOT NULL,
    words tsvector NOT NULL
);

-- What a catalogue is sorted by and counted in, narrow beside what is shown of an asset: a page is read from one of its
-- indexes, and to count a million rows takes a fifth of a second.
-- name: in small letters, cut; size: the longest side in centimetres; added: when the asset was first imported, in
-- seconds since 1970. Ids and names are in the order of their code points, wherever the database is.
CREATE TABLE listed (
    asset_id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    added bigint,
    size real,
    labels integer[] NOT NULL DEFAULT '{{}}',
    faces real,
    width real,
    depth real,
    height real
);

-- Each value of a filter field under the number by which the tables above know it, and how many assets have it.
CREATE TABLE labels (
    number integer PRIMARY KEY,
    field text NOT NULL,
    value text NOT NULL,
    assets integer NOT NULL,
    UNIQUE (field, value)
);

-- The 0th to 100th percentile of each number that assets are filtered by.
CREATE TABLE percentiles (
    field text PRIMARY KEY,
    edges real[] NOT NULL,
    assets integer NOT NULL
);

-- How widely to ask the indexes, as measured for each kind of query.
-- A query is lost that finds less than half of the exact ten; lost_goal: so large a share may be. recall_at_least and
-- lost_at_most: with 95 % confidence. worst: the recall of the worst query.
CREATE TABLE tunings (
    target text NOT NULL,
    kind text NOT NULL,
    goal real NOT NULL,
    lost_goal real NOT NULL,
    ef integer NOT NULL,
    candidates integer NOT NULL,
    recall real NOT NULL,
    recall_at_least real NOT NULL,
    share_lost real NOT NULL,
    lost_at_most real NOT NULL,
    worst real NOT NULL,
    p50_ms real NOT NULL,
    queries integer NOT NULL,
    tuned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (target, kind)
);

-- Codes of vectors, for index kinds whose candidates come from memory; a part is a flat array, in blocks.
-- edition: 0 as published, then one for each change in place, which adds to the others.
CREATE TABLE codes (
    edition integer NOT NULL,
    part text NOT NULL,
    block integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (edition, part, block)
);
ALTER TABLE codes ALTER COLUMN content SET STORAGE EXTERNAL;

-- Some assets taken at random: what a query gives for them is what it gives for any.
CREATE TABLE background (
    asset_id text PRIMARY KEY
);

-- Words as queries: what a query is much closer to than to any asset is not here.
-- language: 0 English, 1 Chinese, of names of things that a library may hold; their scores show how scores are to be
-- read. Null for other words.
CREATE TABLE world (
    text text NOT NULL,
    vector halfvec({dim}) NOT NULL,
    language smallint
);

-- From which closeness on an asset fits fairly or strongly, by what is compared with which kind of query: english,
-- chinese or image.
CREATE TABLE calibrations (
    target text NOT NULL,
    kind text NOT NULL,
    fair real NOT NULL,
    strong real NOT NULL,
    queries integer NOT NULL,
    PRIMARY KEY (target, kind)
);

-- trust: how far cross-modal scores (words with views, a picture with captions) count, 0 to 1; found: how well the
-- captions of the library find their own views, as mean reciprocal rank; null where nobody can tell.
-- changed: how many assets were loaded or taken out in place; their number makes graphs and calibrations old.
CREATE TABLE spaces (
    embedder text NOT NULL,
    model text NOT NULL,
    revision text NOT NULL,
    dim integer NOT NULL,
    preprocessing text NOT NULL,
    index_kind text NOT NULL,
    assets integer NOT NULL,
    english_captions integer NOT NULL,
    chinese_captions integer NOT NULL,
    views integer NOT NULL,
    content text NOT NULL,
    schema_version integer NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    trust real NOT NULL DEFAULT 0.25,
    found real,
    changed integer NOT NULL DEFAULT 0,
    world text NOT NULL
);
