defmodule Shop.Cart do
  @moduledoc """
  What a customer wants to buy.
  """

  use GenServer

  defstruct items: [], limit: 10

  @type t :: %__MODULE__{}

  @doc """
  Adds an item.

  Full carts stay as they are.
  """
  @spec add(t, term) :: t
  def add(%__MODULE__{items: items, limit: limit} = cart, _item) when length(items) >= limit do
    cart
  end

  def add(cart, item) do
    %{cart | items: [item | cart.items]}
  end

  @doc false
  defp total(items), do: Enum.sum(items)

  defmacro debug(value) do
    quote do
      IO.inspect(unquote(value))
    end
  end
end

defprotocol Shop.Priced do
  @doc "Price in cents."
  def price(item)
end

defimpl Shop.Priced, for: Shop.Cart do
  def price(cart) do
    cart.items
    |> Enum.map(&Shop.Priced.price/1)
    |> Enum.sum()
  end
end

defmodule Shop.CartTest do
  use ExUnit.Case

  test "starts empty" do
    assert %Shop.Cart{}.items == []
  end
end
