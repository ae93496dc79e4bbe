-- A table of reviews with their first and present stars, and a table of sellers' messages to customers.
CREATE VIEW reviews AS SELECT *, customer_id AS reviewer_id FROM read_csv(getvariable('folder') || '/reviews.csv.gz');
CREATE VIEW messages AS SELECT * FROM read_csv(getvariable('folder') || '/messages.csv.gz');

SELECT 'review.created' AS type, posted_at AS occurred_at, seller_id, product_id, review_id, reviewer_id,
  first_stars AS rating FROM reviews
UNION ALL BY NAME
SELECT 'review.edited' AS type, edited_at AS occurred_at, seller_id, product_id, review_id, reviewer_id,
  stars AS rating, first_stars AS previous_rating FROM reviews WHERE edited_at IS NOT NULL
UNION ALL BY NAME
SELECT 'review.deleted' AS type, deleted_at AS occurred_at, seller_id, product_id, review_id, reviewer_id,
  CASE deleted_by WHEN 'customer' THEN 'author' ELSE 'platform' END AS deleted_by
  FROM reviews WHERE deleted_at IS NOT NULL
UNION ALL BY NAME
SELECT 'outreach.sent' AS type, sent_at AS occurred_at, seller_id, review_id, customer_id AS reviewer_id,
  kind AS channel FROM messages;
