using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

// GenRec: Generative Personalized Sequential Recommendation, Cao and Lio 2024, arXiv 2407.21191.
// A user's sequence is a text, the next item is what the model writes where the text has <mask>. Each token of a word carries the whole word's
// id: input = token + (user id + item id) / sqrt(d) + position, then BART.
//
// Departs: user k and item k have vectors of their own. The released code looks both up in the users' table, so its item table is never used.
// Departs: a padded label is ignored; the released code trains one padding token a target.
// GenRec-style: the paper's pre-training corpus was not published, so its numbers cannot be reproduced.

/// <summary>BART with whole-word embeddings of users and items.</summary>
/// <remarks>Row 0 of both tables stands for none and is learnt like any other. Threading: as <see cref="GenRecSeq2Seq.Bart"/>.</remarks>
internal sealed class GenRecNetwork : Module
{
    private readonly Embedding _users;
    private readonly Embedding _items;
    private readonly double _scale;

    /// <param name="bart">Taken over.</param>
    /// <param name="userRows">Users and none.</param>
    /// <param name="itemRows">Items and none.</param>
    /// <param name="idScale">Factor of the ids' embeddings; null = 1/sqrt(d).</param>
    public GenRecNetwork(Bart bart, long userRows, long itemRows, double? idScale)
    {
        Bart = RegisterModule("bart", bart);
        _users = RegisterModule("user_ids", new Embedding(userRows, bart.Config.Hidden));
        _items = RegisterModule("item_ids", new Embedding(itemRows, bart.Config.Hidden));
        _scale = idScale ?? 1 / Math.Sqrt(bart.Config.Hidden);
        using var noGrad = NoGrad.Enter();
        _users.Weight.Normal_(0, 0.02);
        _items.Weight.Normal_(0, 0.02);
    }

    /// <summary>What reads and writes.</summary>
    public Bart Bart { get; }

    /// <summary>Mean cross-entropy of a label.</summary>
    /// <param name="batch">What is read.</param>
    /// <param name="labels">int64 [B, T], -100 = none.</param>
    /// <param name="smoothing">Share of a label that is spread over all tokens.</param>
    /// <returns>float [], with its history.</returns>
    public Tensor Loss(GenRecBatch batch, Tensor labels, double smoothing) =>
        Bart.Loss(batch.Tokens, batch.Padding, labels, Ids(batch), smoothing);

    /// <summary>The model while it writes; the caller's.</summary>
    public BartNextTokens Write(GenRecBatch batch)
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        return new BartNextTokens(Bart, batch.Tokens, batch.Padding, Ids(batch));
    }

    private Tensor Ids(GenRecBatch batch) => (_users.Forward(batch.Users) + _items.Forward(batch.Items)) * _scale;      // [B, S, d]
}
