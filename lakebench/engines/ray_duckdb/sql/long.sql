-- A join of many rows with each other, bucket by bucket.
-- split lineitem by l_quantity
SELECT l_quantity, l_linenumber FROM lineitem WHERE l_orderkey <= 30000
-- join
SELECT count(*) AS n, sum(a.l_linenumber * b.l_linenumber) AS product
FROM lineitem AS a JOIN lineitem AS b USING (l_quantity)
-- last
SELECT CAST(sum(n) AS BIGINT) AS n, sum(product) AS product FROM parts
