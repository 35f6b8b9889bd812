/* check_ranks.c - quantiles, and the rank-sum test against values of published tables and by hand. */
#include <config.h>
#include "ranks.h"
#include "unit/unit.h"

START_TEST(quantiles)
{
  double values[] = {5, 1, 4, 2, 3};
  ranks_sort(values, 5);
  ck_assert_double_eq(ranks_quantile(values, 5, 0), 1);
  ck_assert_double_eq(ranks_quantile(values, 5, 0.25), 2);
  ck_assert_double_eq(ranks_quantile(values, 5, 0.5), 3);
  ck_assert_double_eq(ranks_quantile(values, 5, 1), 5);
  ck_assert_double_eq(ranks_quantile(values, 4, 0.5), 2.5);
  ck_assert_double_eq(ranks_quantile(values, 1, 0.75), 1);
}
END_TEST

/* Five and five that do not overlap: 2 of the 252 ways. */
START_TEST(exact_without_ties)
{
  static const double low[] = {1, 2, 3, 4, 5}, high[] = {6, 7, 8, 9, 10}, mixed[] = {1.5, 2.5, 3.5, 4.5, 5.5};
  ck_assert_double_eq_tol(ranks_probability(low, 5, high, 5), 2.0 / 252, 1e-12);
  ck_assert_double_eq_tol(ranks_probability(high, 5, low, 5), 2.0 / 252, 1e-12);
  /* Rank sum 25 of a mean of 27.5: 174 of 252. */
  ck_assert_double_eq_tol(ranks_probability(low, 5, mixed, 5), 174.0 / 252, 1e-12);
  ck_assert_double_eq_tol(ranks_probability(low, 4, high, 4), 2.0 / 70, 1e-12);
}
END_TEST

START_TEST(exact_with_ties)
{
  static const double same[] = {7, 7, 7, 7, 7, 7}, larger[] = {8, 8, 8, 8, 8, 8}, one[] = {7, 7, 7, 7, 7, 8};
  ck_assert_double_eq_tol(ranks_probability(same, 6, same, 6), 1, 1e-12);
  ck_assert_double_eq_tol(ranks_probability(same, 6, larger, 6), 2.0 / 924, 1e-12);
  ck_assert_double_eq_tol(ranks_probability(same, 6, one, 6), 1, 1e-12);
}
END_TEST

/* Large series: the same order of size as the exact values on either side of the border. */
START_TEST(many_values)
{
  enum { MANY = 30 };
  double one[MANY], other[MANY], same[MANY];
  for (int i = 0; i < MANY; i++) {
    one[i] = i;
    other[i] = i + 12.5;
    same[i] = 3;
  }
  double small = ranks_probability(one, 20, other, 20), large = ranks_probability(one, MANY, other, MANY);
  ck_assert_double_lt(small, 0.001);
  ck_assert_double_lt(large, 0.001);
  ck_assert_double_eq_tol(ranks_probability(same, MANY, same, MANY), 1, 1e-12);
  double slightly[MANY];
  for (int i = 0; i < MANY; i++)
    slightly[i] = i + 0.5;
  ck_assert_double_gt(ranks_probability(one, MANY, slightly, MANY), 0.5);
}
END_TEST

UNIT_MAIN("ranks", quantiles, exact_without_ties, exact_with_ties, many_values)
