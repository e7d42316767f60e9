// Views, joining, picking and placing.
#include "shim.h"

#include <ATen/TensorIndexing.h>

#include <vector>

SR_FUNCTION(transpose, (Handle self, int64_t first, int64_t second, Handle* result),
    { *result = own(self->transpose(first, second)); })
SR_UNARY(transpose_last, x.dim() < 2 ? x.alias() : x.transpose(-2, -1))
SR_FUNCTION(permute, (Handle self, const int64_t* dims, int32_t count, Handle* result),
    { *result = own(self->permute(span_of(dims, count))); })
SR_FUNCTION(view, (Handle self, const int64_t* shape, int32_t rank, Handle* result),
    { *result = own(self->view(span_of(shape, rank))); })
SR_FUNCTION(reshape, (Handle self, const int64_t* shape, int32_t rank, Handle* result),
    { *result = own(self->reshape(span_of(shape, rank))); })
SR_FUNCTION(expand, (Handle self, const int64_t* shape, int32_t rank, Handle* result),
    { *result = own(self->expand(span_of(shape, rank))); })
SR_UNARY(squeeze, x.squeeze())
SR_ALONG(squeeze_dim, x.squeeze(dim))
SR_ALONG(unsqueeze, x.unsqueeze(dim))
SR_FUNCTION(narrow, (Handle self, int64_t dim, int64_t start, int64_t length, Handle* result),
    { *result = own(self->narrow(dim, start, length)); })
SR_FUNCTION(select, (Handle self, int64_t dim, int64_t index, Handle* result), { *result = own(self->select(dim, index)); })
SR_FUNCTION(tril, (Handle self, int64_t diagonal, Handle* result), { *result = own(at::tril(*self, diagonal)); })
SR_FUNCTION(triu, (Handle self, int64_t diagonal, Handle* result), { *result = own(at::triu(*self, diagonal)); })

static std::vector<at::Tensor> list_of(const Handle* tensors, int32_t count)
{
    std::vector<at::Tensor> list;
    list.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++)
        list.push_back(*tensors[i]);
    return list;
}

SR_FUNCTION(cat, (const Handle* tensors, int32_t count, int64_t dim, Handle* result),
    { *result = own(at::cat(list_of(tensors, count), dim)); })
SR_FUNCTION(stack, (const Handle* tensors, int32_t count, int64_t dim, Handle* result),
    { *result = own(at::stack(list_of(tensors, count), dim)); })

SR_BINARY(index, a.index({at::indexing::TensorIndex(b)}))
SR_FUNCTION(index_select, (Handle self, int64_t dim, Handle index, Handle* result),
    { *result = own(self->index_select(dim, *index)); })
SR_FUNCTION(gather, (Handle self, int64_t dim, Handle index, Handle* result),
    { *result = own(self->gather(dim, *index)); })
SR_FUNCTION(masked_fill, (Handle self, Handle mask, sr_scalar value, Handle* result),
    { *result = own(self->masked_fill(*mask, scalar_of(value))); })
SR_BINARY(masked_select, a.masked_select(b))
SR_FUNCTION(where, (Handle condition, Handle first, Handle second, Handle* result),
    { *result = own(at::where(*condition, *first, *second)); })
SR_FUNCTION(where_scalar, (Handle condition, Handle first, sr_scalar second, Handle* result),
    { *result = own(at::where(*condition, *first, scalar_of(second))); })

SR_IN_PLACE(scatter_, (int64_t dim, Handle index, Handle source), x.scatter_(dim, *index, *source))
SR_IN_PLACE(scatter_value_, (int64_t dim, Handle index, sr_scalar value), x.scatter_(dim, *index, scalar_of(value)))
SR_IN_PLACE(scatter_add_, (int64_t dim, Handle index, Handle source), x.scatter_add_(dim, *index, *source))
SR_IN_PLACE(index_add_, (int64_t dim, Handle index, Handle source), x.index_add_(dim, *index, *source))
SR_IN_PLACE(index_copy_, (int64_t dim, Handle index, Handle source), x.index_copy_(dim, *index, *source))
SR_IN_PLACE(index_fill_, (int64_t dim, Handle index, sr_scalar value), x.index_fill_(dim, *index, scalar_of(value)))
SR_IN_PLACE(masked_fill_, (Handle mask, sr_scalar value), x.masked_fill_(*mask, scalar_of(value)))
