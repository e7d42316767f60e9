namespace StreamRec.Models.Text;

/// <summary>Ids with a meaning of their own; null where a vocabulary has none. Two of them may be the same id.</summary>
/// <param name="Begin">Begins a sequence.</param>
/// <param name="End">Ends a sequence, and a generation.</param>
/// <param name="Padding">Fills up a batch.</param>
/// <param name="Unknown">Stands for text that cannot be spelled.</param>
/// <param name="Mask">Stands for what a model has to fill in.</param>
public sealed record SpecialIds(int? Begin, int? End, int? Padding, int? Unknown, int? Mask)
{
    /// <summary>Whether an id is one of them.</summary>
    public bool Contains(int id) => id == Begin || id == End || id == Padding || id == Unknown || id == Mask;
}
