local M = {}

local cache = {}

--- Reads a file.
---@param path string
---@return string|nil
function M.read(path)
  local file = io.open(path)
  if not file then return nil end
  return file:read("a")
end

-- Joins two paths.
local function join(a, b)
  return a .. "/" .. b
end

local Picker = {}

function Picker:new(options)
  local picker = setmetatable({}, self)
  picker.options = options
  return picker
end

M.write = function(path, text)
  local file = io.open(path, "w")
  file:write(text)
end

local trim = function(text)
  return text:match("^%s*(.-)%s*$")
end

M.handlers = {
  on_open = function(buffer)
    cache[buffer] = true
    return join("a", trim("b"))
  end,
}

return M
