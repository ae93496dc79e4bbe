-- A log of changes of reviews, of sellers' messages, and of look-ups of customers by staff.
SELECT
  CASE action WHEN 'insert' THEN 'review.created' WHEN 'update' THEN 'review.edited' WHEN 'delete' THEN 'review.deleted'
    WHEN 'message' THEN 'outreach.sent' WHEN 'look_up' THEN 'contact.accessed' END AS type,
  "at" AS occurred_at,
  review.seller_id, review.product_id, review.review_id, review.customer_id AS reviewer_id,
  coalesce(new_stars, old_stars) AS rating,
  CASE action WHEN 'update' THEN old_stars END AS previous_rating,
  CASE action WHEN 'delete' THEN if("by" = 'customer', 'author', 'platform') END AS deleted_by,
  CASE WHEN "by" LIKE 'staff-%' THEN "by" END AS actor_id,
  channel
FROM read_json(getvariable('log'));
