-- Filters by labels and numbers that stand beside the vectors; words; tunings. What cannot be told from the tables
-- (numbers, permissions, Chinese words) comes with the next publication.
CREATE TABLE labels (
    number integer PRIMARY KEY,
    field text NOT NULL,
    value text NOT NULL,
    assets integer NOT NULL,
    UNIQUE (field, value)
);

CREATE TABLE asset_words (
    asset_id text PRIMARY KEY,
    words tsvector NOT NULL
);

CREATE TABLE percentiles (
    field text PRIMARY KEY,
    edges real[] NOT NULL,
    assets integer NOT NULL
);

CREATE TABLE tunings (
    target text NOT NULL,
    kind text NOT NULL,
    goal real NOT NULL,
    ef integer NOT NULL,
    candidates integer NOT NULL,
    recall real NOT NULL,
    p50_ms real NOT NULL,
    queries integer NOT NULL,
    tuned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (target, kind)
);

ALTER TABLE assets ADD COLUMN digest text NOT NULL DEFAULT '';

ALTER TABLE text_embeddings
    ADD COLUMN labels integer[] NOT NULL DEFAULT '{{}}', ADD COLUMN faces real, ADD COLUMN width real,
    ADD COLUMN depth real, ADD COLUMN height real;

ALTER TABLE asset_centroids
    ADD COLUMN labels integer[] NOT NULL DEFAULT '{{}}', ADD COLUMN faces real, ADD COLUMN width real,
    ADD COLUMN depth real, ADD COLUMN height real;

CREATE TEMPORARY TABLE found_labels AS
SELECT DISTINCT asset_id, fields.field, value #>> '{{}}' AS value
FROM assets, unnest(ARRAY['category', 'creator', 'licence', 'tags']) AS fields (field),
     jsonb_path_query(attributes -> fields.field, '$[*]') AS value
WHERE value #>> '{{}}' <> '';

INSERT INTO labels (number, field, value, assets)
SELECT row_number() OVER (ORDER BY field, value), field, value, count(*) FROM found_labels GROUP BY field, value;

CREATE TEMPORARY TABLE labels_of AS
SELECT asset_id, array_agg(number ORDER BY number) AS labels
FROM found_labels JOIN labels USING (field, value) GROUP BY asset_id;

UPDATE text_embeddings SET labels = labels_of.labels FROM labels_of WHERE labels_of.asset_id = text_embeddings.asset_id;
UPDATE asset_centroids SET labels = labels_of.labels FROM labels_of WHERE labels_of.asset_id = asset_centroids.asset_id;

DROP TABLE found_labels, labels_of;

INSERT INTO asset_words
SELECT asset_id, to_tsvector('english', concat_ws(' ', array_to_string(captions_english, ' '), attributes ->> 'name',
                                                  attributes ->> 'category', attributes ->> 'tags'))
FROM assets;
