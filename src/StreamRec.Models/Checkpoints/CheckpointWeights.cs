using StreamRec.Domain;
using StreamRec.Torch;

namespace StreamRec.Models.Checkpoints;

/// <summary>Weights of a checkpoint on their way into a model.</summary>
internal static class CheckpointWeights
{
    /// <summary>Copies a file's tensors into a model that has exactly these.</summary>
    /// <param name="model">Its tensors by name, float32.</param>
    /// <param name="file">The weights.</param>
    /// <param name="fileName">For the message.</param>
    /// <exception cref="CheckpointRejectedException">A tensor is missing, unknown, of another type or shape, or not finite; some may have been copied.</exception>
    public static void Load(IReadOnlyDictionary<string, Tensor> model, SafeTensorsFile file, string fileName)
    {
        var missing = model.Keys.Except(file.Names).Order().ToList();
        var unknown = file.Names.Except(model.Keys).Order().ToList();
        if (missing.Count > 0 || unknown.Count > 0)
        {
            throw new CheckpointRejectedException(
                $"{fileName} lacks [{string.Join(", ", missing)}] and has unknown [{string.Join(", ", unknown)}]");
        }

        using var noGrad = NoGrad.Enter();
        foreach (var (name, parameter) in model)
        {
            using var scope = TensorScope.Enter();
            var (dtype, shape) = (file.Entry(name).Dtype, file.Entry(name).Shape);
            if (dtype != ScalarType.Float32 || !shape.SequenceEqual(parameter.Shape))
            {
                throw new CheckpointRejectedException(
                    $"{name} is {dtype} [{string.Join(", ", shape)}]; expected Float32 [{string.Join(", ", parameter.Shape)}]");
            }

            var value = file.Read(name);
            if (!value.IsFinite().All().Item<bool>())
            {
                throw new CheckpointRejectedException($"{name} holds a value that is not finite");
            }

            parameter.CopyFrom_(value);
        }
    }

    /// <summary>Copies row 0 and the rows of every id that both have; the others stay as they are.</summary>
    /// <param name="table">[ids.Rows, d]; no gradient is recorded by the caller.</param>
    /// <param name="parentTable">[parentIds.Rows, d].</param>
    /// <param name="ids">Rows of the table.</param>
    /// <param name="parentIds">Rows of the parent's.</param>
    public static void InheritRows(Tensor table, Tensor parentTable, Vocabulary ids, Vocabulary parentIds)
    {
        long[] rows = [0, .. ids.Ids.Where(id => parentIds.RowOf(id) != 0).Select(id => (long)ids.RowOf(id))];
        long[] parentRows = [0, .. ids.Ids.Select(id => (long)parentIds.RowOf(id)).Where(row => row != 0)];
        table.IndexCopy_(0, Tensor.From<long>(rows, rows.Length), parentTable.IndexSelect(0, Tensor.From<long>(parentRows, parentRows.Length)));
    }
}
