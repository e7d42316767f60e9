using StreamRec.Torch;

namespace StreamRec.Models.Decoding;

/// <summary>A language model while it writes: a row of tokens for each way in which an input may go on.</summary>
/// <remarks>
/// An encoder-decoder has read its inputs and begins with its start token; a decoder-only model has the inputs as prompts. Rows of one
/// input stand together, and there are equally many for every input that goes on. One thread; Dispose frees what was kept between steps.
/// </remarks>
internal interface INextTokens : IDisposable
{
    /// <summary>Tokens V that the model knows.</summary>
    int Vocabulary { get; }

    /// <summary>For each input the tokens that precede what is written.</summary>
    IReadOnlyList<int[]> Prompts { get; }

    /// <summary>Reads the prompts. Called once, first.</summary>
    /// <returns>float [inputs, V], contiguous, log-probabilities of the next token; the caller's or its scope's, to be changed at will.</returns>
    Tensor Start();

    /// <summary>Goes on by a token in every row.</summary>
    /// <param name="rows">
    /// For each new row the row of the call before that it continues, inputs in the order that they had. An input of which no row goes on
    /// is left out from now on.
    /// </param>
    /// <param name="tokens">What it continues it with.</param>
    /// <returns>float [rows, V], as for <see cref="Start"/>.</returns>
    Tensor Step(ReadOnlySpan<int> rows, ReadOnlySpan<int> tokens);
}
