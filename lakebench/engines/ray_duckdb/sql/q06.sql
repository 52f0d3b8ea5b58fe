-- A sum of the parts' sums.
-- each lineitem
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM lineitem
WHERE
    l_shipdate >= DATE '{date}'
    AND l_shipdate < DATE '{date_end}'
    AND l_discount BETWEEN {discount_low} AND {discount_high}
    AND l_quantity < {quantity}
-- last
SELECT sum(revenue) AS revenue FROM parts
