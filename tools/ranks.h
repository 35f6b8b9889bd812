/* ranks.h - whether two series of measurements differ by more than chance. */
#ifndef HAKMEM_TOOLS_RANKS_H
#define HAKMEM_TOOLS_RANKS_H

#include <stddef.h>

/* The value below which a share of the series lies, between two of its values by proportion. values are
   sorted. */
double ranks_quantile(const double *values, size_t count, double share);
void ranks_sort(double *values, size_t count);

/* Wilcoxon's rank-sum test, two-sided: how probable a difference in rank as large as this one is where both
   series come from one distribution. Ties share their ranks. Exact for small series, by the normal
   distribution for others. */
double ranks_probability(const double *one, size_t one_count, const double *other, size_t other_count);

#endif
